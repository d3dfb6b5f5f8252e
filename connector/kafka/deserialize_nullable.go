package kafka

// Nullable turns a deserializer of T into one of *T that gives nil for a null, for those who want to
// see a tombstone in the value itself and not in Record.Null:
//
//	kafka.Nullable(kafka.String)
//
// It costs one allocation a record. Errors are those of d.
func Nullable[T any](d Deserializer[T]) Deserializer[*T] {
	return func(m Meta, data []byte) (*T, error) {
		if m.Null {
			return nil, nil
		}
		v, err := d(m, data)
		if err != nil {
			return nil, err
		}
		return &v, nil
	}
}
