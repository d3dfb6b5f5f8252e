package main

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/weirstream/weir/connector/kafka"
)

// write produces lines at the demonstration's rate until ctx ends.
func (d *demonstration) write(ctx context.Context, p kafka.Params, topic string) error {
	// What there is to say about the parameters was said when the topic was created.
	quiet := kafka.WithLogger(slog.New(slog.DiscardHandler))
	producer, err := kafka.OpenProducer(ctx, topic, p, kafka.VoidSerializer, kafka.StringSerializer, quiet)
	if err != nil {
		return unlessOver(ctx, err)
	}
	err = d.pace(ctx, func() error {
		return producer.Send(ctx, kafka.ProducerRecord[struct{}, string]{Value: line()}, nil)
	})
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), demoTimeout)
	defer cancel()
	return unlessOver(ctx, errors.Join(err, producer.Close(end)))
}

// unlessOver drops the error of what was cut short by the end of the demonstration.
func unlessOver(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// pace calls send at the demonstration's rate until ctx ends or it fails.
func (d *demonstration) pace(ctx context.Context, send func() error) error {
	const ticks = 50 // per second
	tick := time.NewTicker(time.Second / ticks)
	defer tick.Stop()
	for owed := 0.0; ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		for owed += float64(d.rate) / ticks; owed >= 1 && ctx.Err() == nil; owed-- {
			if err := send(); err != nil {
				return err
			}
		}
	}
}

// lineWords is the number of words of a line.
const lineWords = 8

// line makes a line of words, the first ones of the vocabulary being the most frequent.
func line() string {
	var b strings.Builder
	for i := range lineWords {
		if i > 0 {
			b.WriteByte(' ')
		}
		x := rand.Float64()
		b.WriteString(vocabulary[int(x*x*x*float64(len(vocabulary)))])
	}
	return b.String()
}

var vocabulary = strings.Fields(`the water of a river falls over weir and stands still above it in small steps each one
	named measured kept until next has gone through no drop is lost none counted twice stream batch record offset key
	value state window sink source log commit replay order time`)
