package exec

import (
	"context"
	"maps"
)

// The local properties that the engine itself reads, by Spark's names.
const (
	JobGroup       = "spark.jobGroup.id"
	JobDescription = "spark.job.description"
	SchedulerPool  = "spark.scheduler.pool"
)

type propertiesKey struct{}

// WithProperty gives a context whose jobs have the local property; the value "" takes it away.
func WithProperty(ctx context.Context, key, value string) context.Context {
	ps := maps.Clone(PropertiesOf(ctx))
	if ps == nil {
		ps = map[string]string{}
	}
	if value == "" {
		delete(ps, key)
	} else {
		ps[key] = value
	}
	return WithProperties(ctx, ps)
}

// WithProperties gives a context whose jobs have the local properties ps and no others. ps must not be changed.
func WithProperties(ctx context.Context, ps map[string]string) context.Context {
	return context.WithValue(ctx, propertiesKey{}, ps)
}

// PropertiesOf gives the local properties of a context's jobs. They must not be changed.
func PropertiesOf(ctx context.Context) map[string]string {
	ps, _ := ctx.Value(propertiesKey{}).(map[string]string)
	return ps
}
