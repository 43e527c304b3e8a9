package infra

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"

	"connectrpc.com/connect"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/waypoint-serverless/waypoint/api/fault"
)

// keySize is AES-256's, in bytes.
const keySize = 32

// keyExists does not read the key: the installer has no business with its value.
func (i keyControl) keyExists(ctx context.Context) (bool, error) {
	out, err := i.ssm.GetParameter(ctx, &ssm.GetParameterInput{Name: &i.names.key, WithDecryption: aws.Bool(false)})
	switch {
	case is(err, "ParameterNotFound"):
		return false, nil
	case err != nil:
		return false, i.explain("checking the encryption key", err)
	case out.Parameter.Type != types.ParameterTypeSecureString:
		return false, fault.New(connect.CodeFailedPrecondition, KeyMissing, "the parameter %s exists, but it is not a SecureString, so it is not Waypoint's", i.names.key).
			WithHint("Choose another name for the installation with --name, or remove the parameter.")
	}
	return true, nil
}

// ensureKey makes the key that encrypts secrets, if it is not there. It is never made anew while there is a table
// that may hold what the lost one sealed.
func (i keyControl) ensureKey(ctx context.Context, table bool) error {
	there, err := i.keyExists(ctx)
	if err != nil || there {
		return err
	}
	if table {
		return fault.New(connect.CodeFailedPrecondition, KeyMissing,
			"the table %s exists, but the key that decrypts its secrets (%s) does not", i.names.table, i.names.key).
			WithHint("Restore the parameter from your backup. If you do not need the data: %s, then install.", i.Command("uninstall", "--purge"))
	}
	i.say("key", "Creating the encryption key "+i.names.key)
	raw := make([]byte, keySize)
	if _, err := io.ReadFull(i.Rand, raw); err != nil {
		return fmt.Errorf("creating the encryption key: %w", err)
	}
	_, err = i.ssm.PutParameter(ctx, &ssm.PutParameterInput{
		Name: &i.names.key, Type: types.ParameterTypeSecureString, Overwrite: aws.Bool(false),
		Value:       aws.String(base64.StdEncoding.EncodeToString(raw)),
		Description: aws.String("Encrypts Waypoint's secrets. Without this key they cannot be decrypted."),
		Tags:        []types.Tag{{Key: aws.String(tagInstallation), Value: &i.Name}},
	})
	if is(err, "ParameterAlreadyExists") {
		return nil // somebody else was faster
	}
	return i.explain("creating the encryption key", err)
}

func (i keyControl) removeKey(ctx context.Context) error {
	_, err := i.ssm.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: &i.names.key})
	if is(err, "ParameterNotFound") {
		return nil
	}
	return i.explain("deleting the encryption key", err)
}
