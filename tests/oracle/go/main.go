// Renders templates with Go's own text/template and the published sprig functions: what our engine is compared with.
//
// One JSON request a line on stdin, one JSON answer a line on stdout, in order:
//
//	{"template": base64, "data": {key: base64}, "repeat": n}  →  {"out": base64} or {"error": text, "phase": "parse" | "execute"}
//
// With "repeat" it parses and renders the template n times more and answers the nanoseconds of one parse and of one rendering, dot included.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/template"
	"time"

	"github.com/Masterminds/sprig/v3"
	"sigs.k8s.io/yaml"
)

type request struct {
	Template []byte            `json:"template"`
	Data     map[string][]byte `json:"data"`
	Repeat   int               `json:"repeat"`
}

type hashAlgorithm string

type answer struct {
	Out       []byte `json:"out,omitempty"`
	Error     string `json:"error,omitempty"`
	Phase     string `json:"phase,omitempty"`
	ParseNs   int64  `json:"parse_ns,omitempty"`
	ExecuteNs int64  `json:"execute_ns,omitempty"`
}

// What the published module does not have, or has with other parameters: three functions removed, hexdec and the YAML pair added, and
// htpasswd with the algorithm as a third argument of a string type of its own.
func functions() template.FuncMap {
	known := sprig.TxtFuncMap()
	for _, name := range []string{"env", "expandenv", "getHostByName"} {
		delete(known, name)
	}
	known["toYaml"] = func(value any) string {
		text, err := yaml.Marshal(value)
		if err != nil {
			return ""
		}
		return strings.TrimSuffix(string(text), "\n")
	}
	known["fromYaml"] = func(text string) map[string]any {
		values := map[string]any{}
		if err := yaml.Unmarshal([]byte(text), &values); err != nil {
			values["Error"] = err.Error()
		}
		return values
	}
	known["hexdec"] = func(text string) string {
		raw, err := hex.DecodeString(text)
		if err != nil {
			return err.Error()
		}
		return string(raw)
	}
	known["htpasswd"] = func(user, password string, algorithm hashAlgorithm) string {
		if strings.Contains(user, ":") {
			return "invalid username: " + user
		}
		if algorithm != "sha" {
			return "only sha is the same each time"
		}
		sum := sha1.Sum([]byte(password))
		return user + ":{SHA}" + base64.StdEncoding.EncodeToString(sum[:])
	}
	return known
}

const patience = 2 * time.Second

var known = functions()

func parse(text string) (*template.Template, error) {
	return template.New("t").Option("missingkey=error").Funcs(known).Parse(text)
}

func dot(values map[string][]byte) map[string]string {
	data := make(map[string]string, len(values))
	for key, value := range values {
		data[key] = string(value)
	}
	return data
}

func render(asked request) (reply answer) {
	defer func() {
		if cause := recover(); cause != nil {
			reply = answer{Error: fmt.Sprintf("panic: %v", cause), Phase: "execute"}
		}
	}()
	parsed, err := parse(string(asked.Template))
	if err != nil {
		return answer{Error: err.Error(), Phase: "parse"}
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, dot(asked.Data)); err != nil {
		return answer{Error: err.Error(), Phase: "execute"}
	}
	reply = answer{Out: out.Bytes()}
	if asked.Repeat > 0 {
		reply.ParseNs = each(asked.Repeat, func() { _, _ = parse(string(asked.Template)) })
		reply.ExecuteNs = each(asked.Repeat, func() {
			out.Reset()
			_ = parsed.Execute(&out, dot(asked.Data))
		})
	}
	return reply
}

// each is the nanoseconds of one call, over many.
func each(calls int, call func()) int64 {
	started := time.Now()
	for n := 0; n < calls; n++ {
		call()
	}
	return max(time.Since(started).Nanoseconds()/int64(calls), 1)
}

func main() {
	time.Local = time.UTC
	if len(os.Args) == 2 && os.Args[1] == "functions" {
		for name := range known {
			fmt.Println(name)
		}
		return
	}
	in, out := bufio.NewReaderSize(os.Stdin, 1<<20), bufio.NewWriterSize(os.Stdout, 1<<20)
	write := json.NewEncoder(out)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked request
		if err := json.Unmarshal(line, &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		// What takes longer never ends: the asker goes on without an answer, and with a new process.
		limit := time.AfterFunc(patience, func() { os.Exit(3) })
		_ = write.Encode(render(asked))
		limit.Stop()
		// Each answer leaves at once: what ends the process must not take earlier answers with it.
		if out.Flush() != nil {
			return
		}
	}
}
