// A custom runtime of Go's standard library alone.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

var runtime = "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/"

type event struct {
	Do    string `json:"do"`
	Bytes int    `json:"bytes"`
}

// AWS's library for Go names errors so.
type failure struct {
	Message string `json:"errorMessage"`
	Type    string `json:"errorType"`
}

func handle(body []byte) (any, error) {
	var asked event
	if err := json.Unmarshal(body, &asked); err != nil {
		return nil, err
	}
	switch asked.Do {
	case "echo":
		return json.RawMessage(body), nil
	case "environment":
		variables := map[string]string{}
		for _, pair := range os.Environ() {
			name, value, _ := strings.Cut(pair, "=")
			variables[name] = value
		}
		return variables, nil
	case "error":
		return nil, fmt.Errorf("as asked")
	case "exit":
		os.Exit(7)
	case "sleep":
		time.Sleep(time.Minute)
	case "big":
		return strings.Repeat("x", asked.Bytes), nil
	case "log":
		fmt.Println("first line")
		fmt.Println("second line é")
	}
	return nil, nil
}

func post(path string, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	reply, err := http.Post(runtime+path, "application/json", bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	reply.Body.Close()
}

func main() {
	for {
		reply, err := http.Get(runtime + "invocation/next")
		if err != nil {
			panic(err)
		}
		body, err := io.ReadAll(reply.Body)
		reply.Body.Close()
		if err != nil {
			panic(err)
		}
		id := reply.Header.Get("Lambda-Runtime-Aws-Request-Id")
		result, err := handle(body)
		if err != nil {
			post("invocation/"+id+"/error", failure{err.Error(), "errorString"})
		} else {
			post("invocation/"+id+"/response", result)
		}
	}
}
