package ui

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the style sheet
	"encoding/base64"
	"fmt"
	"html"
	"net/http"
	"strings"
)

// Pages are written by a few functions that escape all that they are given. html/template would do that as well, but
// who links it keeps every method of every type in the binary: 5 MB in each program.

//go:embed style.css
var style string

// policy lets a page have its own style sheet and nothing else: no script, no image, no other server.
var policy = func() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; style-src 'sha256-" +
		base64.StdEncoding.EncodeToString(sum[:]) + "'"
}()

// A doc is a page that is being written. Names of elements and attributes are the caller's own; what stands in them is
// escaped.
type doc struct {
	bytes.Buffer
	inside []string // the elements that are open
}

// tag begins an element. Attributes are names and values.
func (d *doc) tag(name, end string, attrs []string) {
	d.WriteString("<" + name)
	for i := 0; i < len(attrs); i += 2 {
		d.WriteString(" " + attrs[i] + `="` + escaped(attrs[i+1]) + `"`)
	}
	d.WriteString(end)
}

// escaped is text that means itself in HTML, without what no document may hold.
func escaped(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	return html.EscapeString(text)
}

// open begins an element that end ends.
func (d *doc) open(name string, attrs ...string) {
	d.tag(name, ">", attrs)
	d.inside = append(d.inside, name)
}

func (d *doc) end() {
	last := len(d.inside) - 1
	d.WriteString("</" + d.inside[last] + ">\n")
	d.inside = d.inside[:last]
}

// within writes an element around what f writes.
func (d *doc) within(name string, f func(), attrs ...string) {
	d.open(name, attrs...)
	f()
	d.end()
}

// put writes an element around text.
func (d *doc) put(name, text string, attrs ...string) {
	d.tag(name, ">", attrs)
	d.WriteString(escaped(text) + "</" + name + ">")
}

// empty writes an element that has nothing in it, so that the page is XML, too, for who is stricter than a browser.
func (d *doc) empty(name string, attrs ...string) { d.tag(name, "/>", attrs) }

func (d *doc) text(format string, args ...any) { d.WriteString(escaped(fmt.Sprintf(format, args...))) }

// cells writes a row of a table.
func (d *doc) cells(kind string, texts ...string) {
	d.open("tr")
	for _, text := range texts {
		d.put(kind, text)
	}
	d.end()
}

// lines writes texts under each other.
func (d *doc) lines(texts []string) {
	for i, text := range texts {
		if i > 0 {
			d.empty("br")
		}
		d.text("%s", text)
	}
}

// page has a path answer with a page: body writes all but its head, and gives the title.
func (u *UI) page(path string, body func(*doc, *http.Request) (title string, err error)) {
	u.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
		var inner, whole doc
		title, err := body(&inner, r)
		code := http.StatusOK
		if err != nil {
			inner, code = doc{}, status(err)
			title = http.StatusText(code)
			inner.put("p", err.Error(), "class", "error")
		}
		whole.WriteString("<!DOCTYPE html>\n")
		whole.within("html", func() {
			whole.within("head", func() {
				whole.empty("meta", "charset", "utf-8")
				whole.empty("meta", "name", "viewport", "content", "width=device-width")
				if r.URL.Query().Has("refresh") {
					whole.empty("meta", "http-equiv", "refresh", "content", "5")
				}
				whole.put("title", title+" - "+u.name)
				whole.WriteString("<style>" + style + "</style>")
			})
			whole.within("body", func() {
				whole.put("h1", u.name)
				whole.Write(inner.Bytes())
			})
		}, "lang", "en")
		write(w, code, "text/html; charset=utf-8", &whole.Buffer)
	})
}
