package infra

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"connectrpc.com/connect"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/waypoint-serverless/waypoint/api/fault"
)

// oldCodeDays is for how long code that was replaced under the same name is kept.
const oldCodeDays = 30

func (i codeBucket) bucketExists(ctx context.Context) (bool, error) {
	_, err := i.s3.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &i.names.bucket, ExpectedBucketOwner: &i.id.Account})
	switch {
	case err == nil:
		return true, nil
	case is(err, "NotFound", "NoSuchBucket"):
		return false, nil
	}
	return false, i.explainHead(ctx, "checking the bucket "+i.names.bucket, err)
}

// explainHead is explain for an answer to HEAD, which has no body: why something is forbidden, such as a session that
// has ended, is told only by another question.
func (i codeBucket) explainHead(ctx context.Context, doing string, err error) error {
	if is(err, "Forbidden") {
		if _, _, why := i.whoAmI(ctx); why != nil {
			return why
		}
	}
	return i.explain(doing, err)
}

// ensureBucket makes the bucket and sets it up: private, versioned, encrypted, reachable by TLS only. All of it is
// said again on each run, so that a bucket which was set up by half is completed.
func (i codeBucket) ensureBucket(ctx context.Context) error {
	there, err := i.bucketExists(ctx)
	if err != nil {
		return err
	}
	if !there {
		i.say("bucket", "Creating the bucket "+i.names.bucket+" for the functions' code")
		if err := i.createBucket(ctx); err != nil {
			return err
		}
	}
	for _, set := range []func(context.Context) error{
		i.blockPublic, i.encryptBucket, i.versionBucket, i.demandTLS, i.expireOldCode, i.tagBucket,
	} {
		if err := set(ctx); err != nil {
			return i.explain("setting up the bucket "+i.names.bucket, err)
		}
	}
	return nil
}

func (i codeBucket) createBucket(ctx context.Context) error {
	in := &s3.CreateBucketInput{Bucket: &i.names.bucket}
	if i.id.Region != "us-east-1" { // which must not be named
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(i.id.Region)}
	}
	_, err := i.s3.CreateBucket(ctx, in)
	switch {
	case is(err, "BucketAlreadyOwnedByYou"):
		return nil
	case is(err, "BucketAlreadyExists"):
		return fault.New(connect.CodeAlreadyExists, NameTaken, "the bucket name %s belongs to another account", i.names.bucket).
			WithHint("Choose another name for the installation with --name.").WithCause(err)
	}
	return i.explain("creating the bucket "+i.names.bucket, err)
}

func (i codeBucket) blockPublic(ctx context.Context) error {
	_, err := i.s3.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
		Bucket: &i.names.bucket, ExpectedBucketOwner: &i.id.Account,
		PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
			BlockPublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(true),
			IgnorePublicAcls: aws.Bool(true), RestrictPublicBuckets: aws.Bool(true),
		},
	})
	return err
}

func (i codeBucket) encryptBucket(ctx context.Context) error {
	_, err := i.s3.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{
		Bucket: &i.names.bucket, ExpectedBucketOwner: &i.id.Account,
		ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{{
			ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: types.ServerSideEncryptionAes256},
		}}},
	})
	return err
}

func (i codeBucket) versionBucket(ctx context.Context) error {
	_, err := i.s3.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: &i.names.bucket, ExpectedBucketOwner: &i.id.Account,
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	return err
}

func (i codeBucket) demandTLS(ctx context.Context) error {
	arn := "arn:" + i.id.Partition + ":s3:::" + i.names.bucket
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Sid": "DenyInsecureTransport", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
		"Resource": []string{arn, arn + "/*"}, "Condition": map[string]any{"Bool": map[string]string{"aws:SecureTransport": "false"}},
	}}})
	if err != nil {
		return fmt.Errorf("writing the bucket's policy: %w", err)
	}
	_, err = i.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{
		Bucket: &i.names.bucket, ExpectedBucketOwner: &i.id.Account, Policy: aws.String(string(policy)),
	})
	return err
}

func (i codeBucket) expireOldCode(ctx context.Context) error {
	_, err := i.s3.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
		Bucket: &i.names.bucket, ExpectedBucketOwner: &i.id.Account,
		LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{{
			ID: aws.String("old-code"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: aws.String("")},
			NoncurrentVersionExpiration:    &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(oldCodeDays)},
			AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: aws.Int32(1)},
		}}},
	})
	return err
}

func (i codeBucket) tagBucket(ctx context.Context) error {
	_, err := i.s3.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{
		Bucket: &i.names.bucket, ExpectedBucketOwner: &i.id.Account,
		Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String(tagInstallation), Value: &i.Name}}},
	})
	return err
}

// upload puts the code under its hash, if it is not there.
func (i codeBucket) upload(ctx context.Context, key string, archive []byte) error {
	head, err := i.s3.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &i.names.bucket, Key: &key, ExpectedBucketOwner: &i.id.Account})
	if err == nil && aws.ToInt64(head.ContentLength) == int64(len(archive)) {
		return nil
	}
	if err != nil && !is(err, "NotFound", "NoSuchKey") {
		return i.explainHead(ctx, "checking the functions' code", err)
	}
	i.say("code", fmt.Sprintf("Uploading the functions' code, %.1f MB", float64(len(archive))/1e6))
	sum := sha256.Sum256(archive)
	_, err = i.s3.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &i.names.bucket, Key: &key, ExpectedBucketOwner: &i.id.Account, Body: bytes.NewReader(archive),
		ContentLength: aws.Int64(int64(len(archive))), ContentType: aws.String("application/zip"),
		ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(sum[:])),
	})
	return i.explain("uploading the functions' code", err)
}

// removeBucket empties and deletes the bucket; it is content if there is none.
func (i codeBucket) removeBucket(ctx context.Context) error {
	there, err := i.bucketExists(ctx)
	if err != nil || !there {
		return err
	}
	i.say("bucket", "Emptying and deleting the bucket "+i.names.bucket)
	in := &s3.ListObjectVersionsInput{Bucket: &i.names.bucket, ExpectedBucketOwner: &i.id.Account}
	for {
		page, err := i.s3.ListObjectVersions(ctx, in)
		if err != nil {
			return i.explain("listing the bucket "+i.names.bucket, err)
		}
		if err := i.deleteVersions(ctx, page); err != nil {
			return err
		}
		if !aws.ToBool(page.IsTruncated) {
			break
		}
		in.KeyMarker, in.VersionIdMarker = page.NextKeyMarker, page.NextVersionIdMarker
	}
	_, err = i.s3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &i.names.bucket, ExpectedBucketOwner: &i.id.Account})
	if is(err, "NoSuchBucket", "NotFound") {
		return nil
	}
	return i.explain("deleting the bucket "+i.names.bucket, err)
}

func (i codeBucket) deleteVersions(ctx context.Context, page *s3.ListObjectVersionsOutput) error {
	var ids []types.ObjectIdentifier
	for _, v := range page.Versions {
		ids = append(ids, types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
	}
	for _, m := range page.DeleteMarkers {
		ids = append(ids, types.ObjectIdentifier{Key: m.Key, VersionId: m.VersionId})
	}
	if len(ids) == 0 {
		return nil
	}
	out, err := i.s3.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &i.names.bucket, ExpectedBucketOwner: &i.id.Account,
		Delete: &types.Delete{Objects: ids, Quiet: aws.Bool(true)}})
	if err != nil {
		return i.explain("emptying the bucket "+i.names.bucket, err)
	}
	if len(out.Errors) > 0 {
		e := out.Errors[0]
		return fmt.Errorf("emptying the bucket %s: %s: %s: %s", i.names.bucket, aws.ToString(e.Key), aws.ToString(e.Code), aws.ToString(e.Message))
	}
	return nil
}
