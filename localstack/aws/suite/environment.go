package suite

import "os"

// Endpoint is the URL that the environment names for a service ("DYNAMODB", "SQS"), as the SDKs read it; empty if none.
func Endpoint(service string) string {
	if url := os.Getenv("AWS_ENDPOINT_URL_" + service); url != "" {
		return url
	}
	return os.Getenv("AWS_ENDPOINT_URL")
}

// Region is the environment's, else us-east-1.
func Region() string {
	if region := os.Getenv("AWS_REGION"); region != "" {
		return region
	}
	return "us-east-1"
}

// Keys are the environment's, else ones that every emulator takes.
func Keys() (id, secret, session string) {
	id, secret = os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
	if id == "" || secret == "" {
		return "key", "secret", ""
	}
	return id, secret, os.Getenv("AWS_SESSION_TOKEN")
}
