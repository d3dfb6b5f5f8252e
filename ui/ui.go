package ui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
)

const (
	// answerTimeout bounds the making of an answer; only reading states takes any time.
	answerTimeout = 20 * time.Second
	// stateReaders is how many states are read at the same time, for each takes memory.
	stateReaders = 2
)

// A UI is the handler of a program's pages. Its methods may be called by any number of goroutines.
type UI struct {
	ssc     *dstream.Context
	name    string
	app     string
	made    time.Time
	model   *model
	mux     *http.ServeMux
	reading chan struct{} // held by who reads a state
}

// New makes the handler of a program. It hears of what happens from then on, so make it before Start: the build
// function is a good place. It costs what any listener does, and the memory of the batches that it remembers
// (spark.streaming.ui.retainedBatches).
//
// The paths are relative, so that the handler may be mounted anywhere with http.StripPrefix. Requests other than GET
// and HEAD are refused. Each answer is bounded in time. Those about states copy
// the log's state, in memory, while a slot that is to be written waits; none makes a batch wait otherwise.
func New(ssc *dstream.Context) *UI {
	c := ssc.Conf()
	u := &UI{
		ssc:     ssc,
		name:    conf.AppName.Get(c),
		app:     "weir-" + strings.ToLower(ssc.Instance()[:12]),
		made:    time.Now(),
		model:   newModel(conf.RetainedBatches.Get(c)),
		mux:     http.NewServeMux(),
		reading: make(chan struct{}, stateReaders),
	}
	u.routes()
	ssc.AddListener(u.model.event)
	return u
}

// ServeHTTP implements http.Handler.
func (u *UI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeoutCause(r.Context(), answerTimeout, errTooLong)
	defer cancel()
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", policy)
	u.mux.ServeHTTP(w, r.WithContext(ctx))
}

var errTooLong = fmt.Errorf("the answer took longer than %v: ask for less", answerTimeout)

func (u *UI) routes() {
	u.redirect("/{$}", "streaming/")
	u.redirect("/streaming", "streaming/")
	u.redirect("/streaming/batch", "batch/")
	u.redirect("/streaming/state", "state/")
	u.page("/streaming/{$}", u.streamingPage)
	u.page("/streaming/batch/{$}", u.batchPage)
	u.page("/streaming/state/{$}", u.statePage)
	u.mux.HandleFunc("GET /metrics", u.metrics)
	u.json("", u.applications)
	u.json("/{app}", u.application)
	for path, answer := range map[string]func(*http.Request) (any, error){
		"statistics":                             u.statistics,
		"receivers":                              u.receivers,
		"receivers/{stream}":                     u.receiver,
		"batches":                                u.batches,
		"batches/{batch}":                        u.batch,
		"batches/{batch}/operations":             u.operations,
		"batches/{batch}/operations/{operation}": u.operation,
		"outputs":                                u.outputs,
		"inputs":                                 u.inputs,
		"skipped":                                u.skipped,
		"states":                                 u.states,
		"states/{state}":                         u.state,
	} {
		u.json("/{app}/streaming/"+path, answer)
	}
}

// redirect sends a browser on to a path that is relative to where it is: the handler does not know its prefix.
func (u *UI) redirect(from, to string) {
	u.mux.HandleFunc("GET "+from, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusFound)
	})
}

// A notFound is the error of a path that leads nowhere, and a badRequest that of parameters that cannot be understood.
type (
	notFound   struct{ error }
	badRequest struct{ error }
)

func notFoundf(format string, args ...any) error { return notFound{fmt.Errorf(format, args...)} }

func badRequestf(format string, args ...any) error { return badRequest{fmt.Errorf(format, args...)} }

// status gives the code of an answer that is an error.
func status(err error) int {
	switch {
	case is[notFound](err), errors.Is(err, dstream.ErrNoState), errors.Is(err, dstream.ErrNoVersion):
		return http.StatusNotFound
	case is[badRequest](err):
		return http.StatusBadRequest
	case errors.Is(err, errTooLong), errors.Is(err, errStarting):
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

// errStarting is the error of what is known only of a program that has started.
var errStarting = errors.New("the program has not started yet")

// write answers with a body that is whole: nothing is sent while it is being made.
func write(w http.ResponseWriter, code int, contentType string, body *bytes.Buffer) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(code)
	_, _ = w.Write(body.Bytes()) // Who asked may have gone.
}

// standing is the program's status, an error before it has started.
func (u *UI) standing() (dstream.Status, error) {
	s, ok := u.ssc.Status()
	if !ok {
		return s, errStarting
	}
	return s, nil
}
