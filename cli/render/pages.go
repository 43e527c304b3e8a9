package render

import (
	"github.com/waypoint-serverless/waypoint/api/validate"
	waypointv1 "github.com/waypoint-serverless/waypoint/api/waypoint/v1"
)

// Pages reads a list page by page until limit (0: all).
func Pages[T any](limit int, read func(page *waypointv1.Page) (items []T, next string, err error)) ([]T, error) {
	var all []T
	token := ""
	for {
		size := int32(validate.MaxPage)
		if limit > 0 {
			size = int32(min(limit-len(all), validate.MaxPage))
		}
		items, next, err := read(&waypointv1.Page{Size: size, Token: token})
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
		if limit > 0 && len(all) >= limit {
			return all[:limit], nil
		}
		if next == "" {
			return all, nil
		}
		token = next
	}
}
