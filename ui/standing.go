package ui

import (
	"math"
	"net/http"
	"slices"

	"github.com/weirstream/weir/dstream"
)

type outputJSON struct {
	OutputOpID int    `json:"outputOpId"`
	Name       string `json:"name"`
	Kind       string `json:"kind"`
	Site       string `json:"site"`
	Guarantee  string `json:"guarantee"`
	Why        string `json:"why"`
}

// outputs says what each output promises.
func (u *UI) outputs(*http.Request) (any, error) {
	s, err := u.standing()
	if err != nil {
		return nil, err
	}
	list := []outputJSON{}
	for _, o := range s.Outputs {
		list = append(list, outputJSON{o.ID, o.Name, o.Kind, o.Site, o.Guarantee, o.Why})
	}
	return list, nil
}

type inputJSON struct {
	StreamID   int    `json:"streamId"`
	StreamName string `json:"streamName"`
	Kind       string `json:"kind"`
	Site       string `json:"site"`
	Receiver   bool   `json:"receiver"`
	// MaxRate is in records per second; it is absent where the engine sets no limit.
	MaxRate    *float64 `json:"maxRate,omitempty"`
	RateReason string   `json:"rateReason"`
	SlowedBy   *string  `json:"slowedBy,omitempty"`
	Lag        *int64   `json:"lag,omitempty"`
	// Last is of the newest batch that has something.
	Last *rangeJSON `json:"last,omitempty"`
}

// A rangeJSON is what a batch takes from an input.
type rangeJSON struct {
	BatchID     int64    `json:"batchId"`
	Records     int64    `json:"records"`
	Limit       *int64   `json:"limit,omitempty"`
	Description []string `json:"description"`
}

// inputs says how far each input is, and how fast it may go.
func (u *UI) inputs(*http.Request) (any, error) {
	s, err := u.standing()
	if err != nil {
		return nil, err
	}
	v := u.model.view()
	list := []inputJSON{}
	for _, in := range s.Inputs {
		j := inputJSON{StreamID: in.StreamID, StreamName: in.Name, Kind: in.Kind, Site: in.Site,
			Receiver: in.Receiver, RateReason: in.Reason, SlowedBy: text(v.rates[in.StreamID].Reason)}
		if in.Rate > 0 {
			j.MaxRate = &in.Rate
		}
		if in.Behind >= 0 {
			j.Lag = &in.Behind
		}
		j.Last = v.lastRange(in.StreamID)
		list = append(list, j)
	}
	return list, nil
}

// lastRange is what the newest batch that has something of an input takes from it, or else the newest batch; nil for
// none.
func (v *view) lastRange(stream int) (last *rangeJSON) {
	for _, b := range slices.Backward(v.all()) {
		for _, in := range b.Inputs {
			if in.StreamID != stream || last != nil && len(in.Description) == 0 {
				continue
			}
			last = &rangeJSON{BatchID: int64(b.BatchTime), Records: in.Records,
				Description: append([]string{}, in.Description...)}
			if in.Limit > 0 && in.Limit < math.MaxInt64 {
				last.Limit = &in.Limit
			}
			if len(in.Description) > 0 {
				return last
			}
		}
	}
	return last
}

// A skippedJSON is a batch that was given up: its records are in the outputs of Written, in none of Burned, and of
// Unknown it is not known, for their sinks cannot be asked.
type skippedJSON struct {
	BatchID   int64    `json:"batchId"`
	BatchTime *string  `json:"batchTime"`
	Sequence  int64    `json:"sequence"`
	Reason    string   `json:"reason"`
	Written   []string `json:"written"`
	Burned    []string `json:"burned"`
	Unknown   []string `json:"unknown"`
}

// skipped lists the batches that were ever given up, by whichever process, the newest first.
func (u *UI) skipped(*http.Request) (any, error) {
	list := []skippedJSON{}
	for _, b := range u.givenUp(u.model.view()) {
		list = append(list, skippedJSON{int64(b.Time), dateOf(b.Time), b.Sequence, b.Reason,
			append([]string{}, b.In...), append([]string{}, b.Burned...), append([]string{}, b.Unknown...)})
	}
	return list, nil
}

// givenUp are the batches that were given up before this start and since, the newest first.
func (u *UI) givenUp(v *view) []dstream.SkippedBatch {
	s, _ := u.ssc.Status()
	all := slices.Concat(s.Skipped, v.skipped)
	slices.Reverse(all)
	return all
}
