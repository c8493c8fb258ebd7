package main

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
)

// key is what RFC 6455, section 1.3, has a server add to the client's.
const key = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// echo is a WebSocket that answers each short text message with our version and the message, until either side leaves.
func echo(version string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" || r.Header.Get("Sec-WebSocket-Key") == "" {
			http.Error(w, "a WebSocket is wanted here", http.StatusUpgradeRequired)
			return
		}
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + key))
		conn, both, err := http.NewResponseController(w).Hijack()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer conn.Close()
		fmt.Fprintf(both, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
			base64.StdEncoding.EncodeToString(sum[:]))
		for both.Flush() == nil {
			text, err := message(both.Reader)
			if err != nil {
				return
			}
			answer := version + " " + text
			if len(answer) > 125 {
				return
			}
			_, _ = both.Write(append([]byte{0x81, byte(len(answer))}, answer...))
		}
	}
}

// message reads a text message of one frame of up to 125 bytes; anything else ends the connection.
func message(r *bufio.Reader) (string, error) {
	var head [6]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", err
	}
	const masked = 0x80
	n := int(head[1] &^ masked)
	if head[0] != 0x81 || head[1]&masked == 0 || n > 125 {
		return "", fmt.Errorf("a frame that begins with %x", head[:2])
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return "", err
	}
	for i := range text {
		text[i] ^= head[2+i%4]
	}
	return string(text), nil
}
