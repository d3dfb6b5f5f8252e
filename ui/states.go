package ui

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/weirstream/weir/dstream"
)

const (
	// usualRows is how many rows of a state an answer has if the request does not say.
	usualRows = 100
	mostRows  = 10_000
)

type stateJSON struct {
	State string `json:"state"`
	Key   string `json:"key"`
	Value string `json:"value"`
	// Batch is the newest version; files and bytes are its.
	Batch    int64         `json:"batch"`
	Files    int           `json:"files"`
	Bytes    int64         `json:"bytes"`
	Versions []versionJSON `json:"versions"`
}

// A versionJSON is a batch as of which a state can be read.
type versionJSON struct {
	Batch     int64   `json:"batch"`
	BatchTime *string `json:"batchTime,omitempty"`
}

// read has f read states while not too many others do.
func (u *UI) read(ctx context.Context, f func() error) error {
	select {
	case u.reading <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-u.reading }()
	err := f()
	if err != nil && ctx.Err() != nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	return err
}

// states lists the operators that keep a state by key, with the versions that there are.
func (u *UI) states(r *http.Request) (any, error) {
	list, err := u.listStates(r.Context())
	return list, err
}

func (u *UI) listStates(ctx context.Context) (list []stateJSON, err error) {
	s, err := u.standing()
	if err != nil {
		return nil, err
	}
	list = []stateJSON{}
	for _, name := range s.States {
		one := stateJSON{State: name, Versions: []versionJSON{}}
		if s.Checkpoint != "" {
			err = u.read(ctx, func() error { return u.describe(ctx, &one) })
		}
		if err != nil && !errors.Is(err, dstream.ErrNoState) {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}

// describe adds what the checkpoint holds of a state.
func (u *UI) describe(ctx context.Context, s *stateJSON) error {
	r, err := dstream.RawStateOf(u.ssc, s.State)
	if err != nil {
		return err
	}
	info, err := r.Info(ctx)
	if err != nil {
		return err
	}
	s.Key, s.Value, s.Batch, s.Files, s.Bytes = info.Key, info.Value, info.Version.Sequence, info.Files, info.Bytes
	versions, err := r.Versions(ctx)
	for _, v := range versions {
		s.Versions = append(s.Versions, versionJSON{v.Sequence, dateOf(v.Time)})
	}
	return err
}

// rowsJSON is a part of a version of a state; the rows are as weir state scan --json has them.
type rowsJSON struct {
	State string `json:"state"`
	versionJSON
	Rows []json.RawMessage `json:"rows"`
	// More tells that there are rows beyond the limit.
	More bool `json:"more"`
}

func (u *UI) state(r *http.Request) (any, error) {
	q, err := parseRows(r.PathValue("state"), r.URL.Query())
	if err != nil {
		return nil, err
	}
	return u.rows(r.Context(), q)
}

// A rowsQuery asks for rows of a state: of one key, or of all that begin with a prefix.
type rowsQuery struct {
	state   string
	version int64 // -1 for the newest
	key     string
	oneKey  bool
	prefix  string
	limit   int
}

func parseRows(state string, q url.Values) (rowsQuery, error) {
	rows := rowsQuery{state: state, version: -1, key: q.Get("key"), oneKey: q.Has("key"), prefix: q.Get("prefix"),
		limit: usualRows}
	var err error
	if text := q.Get("version"); text != "" {
		if rows.version, err = strconv.ParseInt(text, 10, 64); err != nil || rows.version < 0 {
			return rows, badRequestf("version=%s is no number of a batch", text)
		}
	}
	if text := q.Get("limit"); text != "" {
		if rows.limit, err = strconv.Atoi(text); err != nil || rows.limit < 1 || rows.limit > mostRows {
			return rows, badRequestf("limit=%s is no number from 1 to %d", text, mostRows)
		}
	}
	return rows, nil
}

func (u *UI) rows(ctx context.Context, q rowsQuery) (found rowsJSON, err error) {
	if _, err := u.standing(); err != nil {
		return found, err
	}
	r, err := dstream.RawStateOf(u.ssc, q.state)
	if err != nil {
		return found, err
	}
	if q.version >= 0 {
		r = r.At(q.version)
	}
	err = u.read(ctx, func() error {
		v, err := dstream.ViewState(ctx, r)
		if err != nil {
			return err
		}
		at := v.Info.Version
		found = rowsJSON{State: q.state, versionJSON: versionJSON{at.Sequence, dateOf(at.Time)},
			Rows: []json.RawMessage{}}
		if q.oneKey {
			return found.get(ctx, v, q.key)
		}
		return found.scan(ctx, v, q)
	})
	return found, err
}

// get adds the row of a key.
func (f *rowsJSON) get(ctx context.Context, v *dstream.StateView, text string) error {
	key, err := v.Key(text)
	if err != nil {
		return badRequest{err}
	}
	e, ok, err := v.Reader.Get(ctx, key)
	if err != nil {
		return err
	}
	if !ok {
		return notFoundf("the state %q has no key %s as of batch %d", f.State, text, f.Batch)
	}
	return f.add(v, e)
}

// scan adds the rows whose keys begin with the prefix, in the order of the state. Strings are taken as they are, other
// keys as JSON.
func (f *rowsJSON) scan(ctx context.Context, v *dstream.StateView, q rowsQuery) error {
	for e, err := range v.Reader.All(ctx) {
		if err != nil {
			return err
		}
		if q.prefix != "" {
			key := string(e.Key)
			if v.Info.Key != "string" {
				if key, err = v.KeyJSON(e.Key); err != nil {
					return err
				}
			}
			if !strings.HasPrefix(key, q.prefix) {
				continue
			}
		}
		if f.More = len(f.Rows) == q.limit; f.More {
			return nil
		}
		if err := f.add(v, e); err != nil {
			return err
		}
	}
	return nil
}

func (f *rowsJSON) add(v *dstream.StateView, e dstream.StateEntry[[]byte, []byte]) error {
	row, err := v.Row(e)
	f.Rows = append(f.Rows, json.RawMessage(row))
	return err
}
