package standin

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// bucket holds objects, each in one version: code is named by its hash.
type bucket struct {
	objects map[string][]byte
	// set are the settings that were made.
	set map[string]bool
}

// bucketSettings are query strings to the IAM actions of putting them.
func bucketSettings() map[string]string {
	return map[string]string{
		"publicAccessBlock": "s3:PutBucketPublicAccessBlock", "encryption": "s3:PutEncryptionConfiguration", "versioning": "s3:PutBucketVersioning",
		"policy": "s3:PutBucketPolicy", "lifecycle": "s3:PutLifecycleConfiguration", "tagging": "s3:PutBucketTagging",
	}
}

func (s *StandIn) serveS3(w http.ResponseWriter, r *http.Request) {
	name, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		refuse(w, "s3", http.StatusBadRequest, "IncompleteBody", "The request body could not be read.")
		return
	}
	var f *fault
	if key == "" {
		f = s.bucketCall(w, r, name, body)
	} else {
		f = s.objectCall(w, r, name, key, body)
	}
	if f != nil {
		refuse(w, "s3", f.status, f.code, f.message)
	}
}

var errNoBucket = &fault{http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist"}

func (s *StandIn) bucketCall(w http.ResponseWriter, r *http.Request, name string, body []byte) *fault {
	query := r.URL.Query()
	sub := ""
	for q := range query {
		if _, ok := bucketSettings()[q]; ok || q == "versions" || q == "delete" {
			sub = q
		}
	}
	arn := "arn:aws:s3:::" + name
	action := map[string]string{"HEAD": "s3:ListBucket", "PUT": "s3:CreateBucket", "DELETE": "s3:DeleteBucket",
		"PUT " + sub: bucketSettings()[sub], "GET versions": "s3:ListBucketVersions"}[strings.TrimSpace(r.Method+" "+sub)]
	if action != "" {
		if f := s.allow(r, action, arn); f != nil {
			return f
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[name]
	if b == nil && (r.Method != http.MethodPut || sub != "") {
		return errNoBucket
	}
	switch {
	case r.Method == http.MethodHead:
	case r.Method == http.MethodPut && sub == "":
		if b != nil {
			return &fault{http.StatusConflict, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it."}
		}
		s.buckets[name] = &bucket{objects: map[string][]byte{}, set: map[string]bool{}}
	case r.Method == http.MethodPut && bucketSettings()[sub] != "":
		b.set[sub] = true
	case r.Method == http.MethodGet && sub == "versions":
		return b.versions(w)
	case r.Method == http.MethodPost && sub == "delete":
		return s.deleteObjects(w, r, b, arn, body)
	case r.Method == http.MethodDelete && sub == "":
		if len(b.objects) > 0 {
			return &fault{http.StatusConflict, "BucketNotEmpty", "The bucket you tried to delete is not empty"}
		}
		delete(s.buckets, name)
		w.WriteHeader(http.StatusNoContent)
	default:
		return &fault{http.StatusNotImplemented, "NotImplemented", "the stand-in has no " + r.Method + " of a bucket with " + r.URL.RawQuery}
	}
	return nil
}

func (b *bucket) versions(w http.ResponseWriter) *fault {
	type version struct{ Key, VersionId string } //nolint:revive // S3's word
	out := struct {
		XMLName     xml.Name `xml:"ListVersionsResult"`
		IsTruncated bool
		Version     []version
	}{}
	for key := range b.objects {
		out.Version = append(out.Version, version{key, "v1"})
	}
	writeXML(w, out)
	return nil
}

// deleteObjects is called with s.mu held; policies are asked without.
func (s *StandIn) deleteObjects(w http.ResponseWriter, r *http.Request, b *bucket, arn string, body []byte) *fault {
	var in struct {
		Object []struct{ Key, VersionId string } //nolint:revive // S3's word
	}
	if err := xml.Unmarshal(body, &in); err != nil {
		return bad("MalformedXML", "%v", err)
	}
	s.mu.Unlock()
	defer s.mu.Lock()
	for _, o := range in.Object {
		if f := s.allow(r, "s3:DeleteObjectVersion", arn+"/"+o.Key); f != nil {
			return f
		}
	}
	s.mu.Lock()
	for _, o := range in.Object {
		delete(b.objects, o.Key)
	}
	s.mu.Unlock()
	writeXML(w, struct {
		XMLName xml.Name `xml:"DeleteResult"`
	}{})
	return nil
}

func (s *StandIn) objectCall(w http.ResponseWriter, r *http.Request, name, key string, body []byte) *fault {
	action := map[string]string{http.MethodHead: "s3:GetObject", http.MethodPut: "s3:PutObject"}[r.Method]
	if action == "" {
		return &fault{http.StatusNotImplemented, "NotImplemented", "the stand-in has no " + r.Method + " of an object"}
	}
	if f := s.allow(r, action, "arn:aws:s3:::"+name+"/"+key); f != nil {
		return f
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[name]
	if b == nil {
		return errNoBucket
	}
	if r.Method == http.MethodHead {
		object, ok := b.objects[key]
		if !ok {
			return &fault{http.StatusNotFound, "NoSuchKey", "The specified key does not exist."}
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(object)))
		return nil
	}
	sum := sha256.Sum256(body)
	if want := r.Header.Get("X-Amz-Checksum-Sha256"); want != "" && want != base64.StdEncoding.EncodeToString(sum[:]) {
		return bad("BadDigest", "The SHA256 you specified did not match the calculated checksum.")
	}
	b.objects[key] = body
	return nil
}

func writeXML(w http.ResponseWriter, v any) {
	body, err := xml.Marshal(v)
	if err != nil {
		refuse(w, "s3", http.StatusInternalServerError, "InternalError", err.Error())
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	_, _ = w.Write(body) // the client may be gone
}
