package sql

import "context"

// SetOwns is the answer of the log.
func (s *DatabaseSink[T]) SetOwns(owns func(ctx context.Context) error) { s.owns = owns }

// SetInstance is the text of the sink's context.
func (s *DatabaseSink[T]) SetInstance(text string) { s.instance = text }
