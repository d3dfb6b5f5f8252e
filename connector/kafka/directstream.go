package kafka

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"strings"

	"github.com/weirstream/weir/connector/kafka/internal/client"
	"github.com/weirstream/weir/dstream"
)

// Params are parameters by the names of Kafka's Java client. Each is one of three kinds: it acts; it is known and
// has no meaning here, which one line of the log says, with the reason; or it is unknown or would do harm, which is
// an error that names it and the nearest known name. A value may be ${file:PATH} or ${env:NAME}, so that secrets
// stand in no program.
//
// They print without secrets: the values of passwords and the like are hidden, as is that of an unknown name, which
// may be a misspelt one.
type Params map[string]string

// String lists the parameters in order of their names.
func (p Params) String() string { return client.Show(p) }

// GoString keeps %#v from printing what String hides.
func (p Params) GoString() string { return p.String() }

// LogValue is String for slog, one attribute a parameter.
func (p Params) LogValue() slog.Value { return client.ShowAttrs(p) }

// DirectStream makes a stream of the records of the partitions that s chooses. Each batch reads a range of offsets
// of each partition, fixed before the batch runs: exactly once, and again if the batch runs again. The RDD of a
// batch has one partition for each topic partition, empty ranges included; OffsetRanges gives them, Commit
// commits them.
//
// A partition begins at the offset that s gives for it, else at what the group (group.id) has committed, else by
// auto.offset.reset. Partitions that appear later are read from their beginning; those that were left, as the strategy
// did not choose them for a while, go on where they were left, with a checkpoint in later processes, too, unless that
// was more than a week ago or the brokers (before 2.8) give topics no ids. key and value decode records; String and
// Bytes alias the fetch buffer, which costs nothing and may be kept. Parameters that are wrong are an error here,
// without I/O; what the brokers say, or files that parameters refer to, stops the job at its start.
func DirectStream[K, V any](ssc *dstream.Context, s Strategy, p Params, key Deserializer[K], value Deserializer[V],
	opts ...Option,
) (*dstream.DStream[Record[K, V]], error) {
	o, cfg, err := settings(p, key, value, opts)
	if s == nil {
		err = errors.Join(err, errors.New("a direct stream needs a strategy, such as kafka.Subscribe(\"topic\")"))
	}
	if own, ok := s.(interface{ check() error }); ok {
		err = errors.Join(err, own.check())
	}
	if err != nil {
		return nil, fmt.Errorf("kafka.DirectStream: %w", err)
	}
	src := &source[K, V]{ssc: ssc, strategy: s, params: p, given: cfg, cfg: cfg, key: key, value: value, opts: o}
	return dstream.FromSource(ssc, "kafka.DirectStream", dstream.Source[Record[K, V]](src)), nil
}

// settings checks what both ways of reading are given, without reading the files that parameters refer to: that is
// for resolve.
func settings[K, V any](
	p Params,
	key Deserializer[K],
	value Deserializer[V],
	opts []Option,
) (options, *client.Config, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	cfg, err := client.Parse(p, client.Consumer)
	if err != nil {
		return o, nil, err
	}
	cfg.Dial = o.dial
	return o, cfg, sameDecoders(cfg, key, value)
}

// resolve reads the files that parameters refer to, each time anew, and checks what they hold.
func resolve[K, V any](given *client.Config, key Deserializer[K], value Deserializer[V]) (*client.Config, error) {
	cfg, err := given.Resolve()
	if err != nil {
		return nil, err
	}
	return cfg, sameDecoders(cfg, key, value)
}

func sameDecoders[K, V any](cfg *client.Config, key Deserializer[K], value Deserializer[V]) error {
	return errors.Join(
		sameDecoder("key.deserializer", cfg.KeyDeserializer, nameOf(key), key == nil),
		sameDecoder("value.deserializer", cfg.ValueDeserializer, nameOf(value), value == nil))
}

// sameDecoder compares the class that a parameter names with the decoder that the program gives.
func sameDecoder(param, class, given string, missing bool) error {
	if missing {
		return fmt.Errorf(
			"the decoder for %s is nil; pass one, such as kafka.String",
			strings.TrimSuffix(param, ".deserializer"),
		)
	}
	if class == "" {
		return nil
	}
	wanted, known := javaName(class)
	if !known || given == "" || strings.EqualFold(wanted, given) {
		return nil
	}
	return fmt.Errorf("%s names %s, which weir reads with kafka.%s, but the program passes kafka.%s: make them agree",
		param, class, wanted, given)
}

// javaName is the name that this package has for what a Java class does: numbers are called as Go's types are.
func javaName(class string) (name string, known bool) {
	name, known = client.Decoder(class)
	switch name {
	case "Float":
		name = "Float32"
	case "Double":
		name = "Float64"
	}
	return name, known
}

// nameOf is the name of one of this package's decoders, "" for any other function.
func nameOf(decoder any) string {
	v := reflect.ValueOf(decoder)
	if v.Kind() != reflect.Func || v.IsNil() {
		return ""
	}
	f := runtime.FuncForPC(v.Pointer())
	if f == nil {
		return ""
	}
	name, ok := strings.CutPrefix(f.Name(), reflect.TypeFor[Meta]().PkgPath()+".")
	if !ok || strings.ContainsAny(name, ".[") {
		return ""
	}
	return name
}
