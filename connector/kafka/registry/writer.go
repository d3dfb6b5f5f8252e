package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/sr"
)

// A Writer knows under which id a definition is written to each topic. It follows
// auto.register.schemas, use.latest.version, normalize.schemas and the subject name strategies, asks
// the registry once a topic, and may be used by many goroutines.
type Writer struct {
	client     *Client
	definition Definition
	memo       *memo[half, Schema]
}

// half is the keys or the values of a topic.
type half struct {
	topic string
	isKey bool
}

// Writer returns a Writer for a definition. It does no I/O.
func (c *Client) Writer(d Definition) *Writer {
	return &Writer{client: c, definition: d, memo: newMemo[half, Schema](c.settings.cacheLimit)}
}

// Schema returns what the keys or values of a topic are to be written with: the definition, with its
// id; or, with use.latest.version and without auto.register.schemas, whatever the subject has last,
// which the caller then has to encode with. As with Java's serializers that is kept for as long as
// the program runs. Errors are an *Error of the registry, or name the setting that is wrong.
func (w *Writer) Schema(ctx context.Context, topic string, isKey bool) (Schema, error) {
	return w.memo.get(ctx, half{topic, isKey}, func(ctx context.Context) (Schema, error) {
		subject, err := w.client.settings.subject(topic, isKey, w.definition.Record)
		if err != nil {
			return Schema{}, err
		}
		return w.client.place(ctx, subject, w.definition, map[string]Schema{})
	})
}

// place finds or makes the version of a subject that a definition is written with, that of its
// imports first. placed holds the imports that were found on the way, for two files may import a third.
func (c *Client) place(ctx context.Context, subject string, d Definition, placed map[string]Schema) (Schema, error) {
	if !c.settings.autoRegister && c.settings.useLatest {
		s, err := c.Latest(ctx, subject)
		if err == nil && s.Type != d.Type {
			return Schema{}, fmt.Errorf("schema registry %s: the latest version of subject %s is %s, and %s is "+
				"written: check the topic and the subject name strategy", c.urls, subject, s.Type, d.Type)
		}
		return s, err
	}
	out := sr.Schema{Schema: d.Text}
	if err := out.Type.UnmarshalText([]byte(d.Type)); err != nil {
		return Schema{}, fmt.Errorf("schema for subject %s: %w", subject, err)
	}
	for _, imp := range d.Imports {
		s, ok := placed[imp.Path]
		if !ok {
			var err error
			if s, err = c.place(ctx, imp.Path, imp.Definition, placed); err != nil {
				return Schema{}, fmt.Errorf("import %s: %w", imp.Path, err)
			}
			if s, err = c.withVersion(ctx, s, out.Type); err != nil {
				return Schema{}, fmt.Errorf("import %s: %w", imp.Path, err)
			}
			placed[imp.Path] = s
		}
		ref := sr.SchemaReference{Name: imp.Path, Subject: s.Subject, Version: s.Version}
		out.References = append(out.References, ref)
	}
	if c.settings.autoRegister {
		return c.register(ctx, subject, out)
	}
	return c.lookUp(ctx, subject, out)
}

// register puts a schema into a subject. The registry gives the same id to one that it has already.
func (c *Client) register(ctx context.Context, subject string, s sr.Schema) (Schema, error) {
	found := sr.SubjectSchema{Subject: subject, Schema: s}
	err := c.ask(ctx, "registering a schema under subject "+subject, func(ctx context.Context) (err error) {
		found.ID, err = c.http.RegisterSchema(c.normalized(ctx), subject, s, -1, -1)
		return err
	})
	return fromAnswer(found), err
}

// lookUp finds a schema in a subject. Unlike register it needs no right to write.
func (c *Client) lookUp(ctx context.Context, subject string, s sr.Schema) (Schema, error) {
	var found sr.SubjectSchema
	err := c.ask(ctx, "looking up the schema in subject "+subject, func(ctx context.Context) (err error) {
		found, err = c.http.LookupSchema(c.normalized(ctx), subject, s)
		return err
	})
	if e, ok := errors.AsType[*Error](err); ok && sr.IsNotFoundError(e.Code) {
		e.Remedy = "register it there first, or set auto.register.schemas=true"
	}
	found.Subject, found.Schema = subject, s // the answer may say it in other words
	return fromAnswer(found), err
}

// withVersion adds to a schema that was just registered the version it got, which is what another
// schema refers to it by.
func (c *Client) withVersion(ctx context.Context, s Schema, t sr.SchemaType) (Schema, error) {
	if s.Version != 0 {
		return s, nil
	}
	in := sr.Schema{Schema: s.Text, Type: t}
	for _, r := range s.References {
		in.References = append(in.References, sr.SchemaReference{Name: r.Name, Subject: r.Subject, Version: r.Version})
	}
	return c.lookUp(ctx, s.Subject, in)
}

func (c *Client) normalized(ctx context.Context) context.Context {
	if c.settings.normalize {
		return sr.WithParams(ctx, sr.Normalize)
	}
	return ctx
}
