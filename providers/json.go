package providers

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// JSON marshals plain data. It panics on what can't be marshalled, which is a mistake in a kind.
func JSON(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// Payload is an artifact opened for sending. SHA256 (hex) and Size (bytes) are those of what Body gives.
type Payload struct {
	Body   io.ReadCloser
	SHA256 string
	Size   int64
}

// Strict reads one value and refuses unknown fields: an older binary must not drop what a newer one meant.
func Strict(raw json.RawMessage, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}
