package e2e

import "encoding/json"

// streamed is a line of -json.
type streamed struct {
	Type      string `json:"type"`
	Timestamp string `json:"@timestamp"`
	Message   string `json:"@message"`
	Step      struct {
		ID    string `json:"id"`
		Host  string `json:"host"`
		Title string `json:"title"`
	} `json:"step"`
}

func event(line string) (e streamed) {
	_ = json.Unmarshal([]byte(line), &e)
	return e
}
