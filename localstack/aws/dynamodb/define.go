package dynamodb

import (
	"fmt"
	"slices"
)

// Limits of a table's definition (AWS, "Quotas in Amazon DynamoDB").
const (
	maxIndexes         = 20
	maxTags            = 50
	maxIncludedOfIndex = 20
	maxIncludedOfTable = 100
)

// check validates a CreateTable request.
func (in *createTableInput) check() error {
	if err := checkTableName(in.TableName); err != nil {
		return err
	}
	switch in.BillingMode {
	case "PAY_PER_REQUEST":
	case "", "PROVISIONED":
		return validation("BillingMode=PROVISIONED is not implemented by this engine: use PAY_PER_REQUEST")
	default:
		return oneOf("billingMode", in.BillingMode, []string{"PROVISIONED", "PAY_PER_REQUEST"})
	}
	types := map[string]string{}
	for _, a := range in.AttributeDefinitions {
		if err := oneOf("attributeDefinitions.member.attributeType", a.AttributeType, []string{"B", "N", "S"}); err != nil || a.AttributeType == "" {
			return validation("Member must satisfy enum value set: [B, N, S]: attributeType of " + a.AttributeName)
		}
		if _, ok := types[a.AttributeName]; ok {
			return invalidParameter("Duplicate attribute name: " + a.AttributeName)
		}
		types[a.AttributeName] = a.AttributeType
	}
	used := map[string]bool{}
	if err := checkSchema("", in.KeySchema, types, used); err != nil {
		return err
	}
	if err := in.checkIndexes(types, used); err != nil {
		return err
	}
	if len(used) != len(types) {
		return invalidParameter("Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions")
	}
	return in.checkTags()
}

func checkSchema(index string, key []keyElement, types map[string]string, used map[string]bool) error {
	if len(key) < 1 || len(key) > 2 {
		return validation(fmt.Sprintf("1 validation error detected: Value at 'keySchema' failed to satisfy constraint: Member must have length between 1 and 2; it is %d %s", len(key), index))
	}
	if key[0].KeyType != "HASH" || len(key) == 2 && key[1].KeyType != "RANGE" {
		return invalidParameter("Invalid KeySchema: the first element must be a HASH key and the second, if any, a RANGE key " + index)
	}
	if len(key) == 2 && key[0].AttributeName == key[1].AttributeName {
		return invalidParameter("Both the Hash Key and the Range Key element in the KeySchema have the same name " + index)
	}
	for _, k := range key {
		if types[k.AttributeName] == "" {
			return invalidParameter("Some index key attributes are not defined in AttributeDefinitions: " + k.AttributeName)
		}
		used[k.AttributeName] = true
	}
	return nil
}

func (in *createTableInput) checkIndexes(types map[string]string, used map[string]bool) error {
	if in.GlobalSecondaryIndexes != nil && len(in.GlobalSecondaryIndexes) == 0 {
		return invalidParameter("List of GlobalSecondaryIndexes is empty")
	}
	if len(in.GlobalSecondaryIndexes) > maxIndexes {
		return invalidParameter("GlobalSecondaryIndex count exceeds the per-table limit of 20")
	}
	names := map[string]bool{}
	included := 0
	for _, ix := range in.GlobalSecondaryIndexes {
		if err := checkName("IndexName", ix.IndexName); err != nil {
			return err
		}
		if names[ix.IndexName] {
			return invalidParameter("Duplicate index name: " + ix.IndexName)
		}
		names[ix.IndexName] = true
		if err := checkSchema(ix.IndexName, ix.KeySchema, types, used); err != nil {
			return err
		}
		if err := checkProjection(ix.IndexName, ix.Projection); err != nil {
			return err
		}
		included += len(ix.Projection.NonKeyAttributes)
	}
	if included > maxIncludedOfTable {
		return invalidParameter("Number of NonKeyAttributes exceeds the limit of 100 across all indexes")
	}
	return nil
}

func checkProjection(index string, p *projectionDefinition) error {
	switch {
	case p == nil || p.ProjectionType == "":
		return invalidParameter("Unknown ProjectionType: null: index " + index)
	case p.ProjectionType != "INCLUDE" && len(p.NonKeyAttributes) > 0:
		return invalidParameter("ProjectionType is " + p.ProjectionType + ", but NonKeyAttributes is specified")
	case p.ProjectionType == "INCLUDE" && len(p.NonKeyAttributes) == 0:
		return invalidParameter("ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
	case len(p.NonKeyAttributes) > maxIncludedOfIndex:
		return invalidParameter("Number of NonKeyAttributes exceeds the limit of 20 for index " + index)
	}
	return oneOf("projection.projectionType", p.ProjectionType, []string{"KEYS_ONLY", "INCLUDE", "ALL"})
}

func (in *createTableInput) checkTags() error {
	if len(in.Tags) > maxTags {
		return validation("Too many tags: the limit is 50")
	}
	var keys []string
	for _, t := range in.Tags {
		if t.Key == "" || len(t.Key) > 128 || len(t.Value) > 256 {
			return validation("A tag needs a key of 1 to 128 characters and a value of at most 256")
		}
		if slices.Contains(keys, t.Key) {
			return validation("Duplicate tag key: " + t.Key)
		}
		keys = append(keys, t.Key)
	}
	return nil
}
