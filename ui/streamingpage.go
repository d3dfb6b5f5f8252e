package ui

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/weirstream/weir/dstream"
)

// streamingPage is the page of the program, as Spark's Streaming tab, with what that does not show: what outputs
// promise, batches that were given up, how far inputs are and how fast they may go.
func (u *UI) streamingPage(d *doc, r *http.Request) (string, error) {
	v := u.model.view()
	s, started := u.ssc.Status()
	u.header(d, v, started)
	u.givenUpBox(d, v)
	if started {
		outputTable(d, s)
		u.inputTable(d, s, v)
	}
	u.charts(d, v)
	u.batchTable(d, "Running Batches", v.running, processingStatus)
	u.batchTable(d, "Waiting Batches", v.waiting, queuedStatus)
	u.completedTable(d, v, r.URL.Query())
	return "Streaming", nil
}

// header says what runs since when, and leads to the other pages.
func (u *UI) header(d *doc, v *view, started bool) {
	d.within("nav", func() {
		d.put("a", "States", "href", "state/")
		d.put("a", "JSON", "href", ".."+apiRoot+"/"+u.app+"/streaming/statistics")
		d.put("a", "Metrics", "href", "../metrics")
		d.put("a", "Refresh every 5 s", "href", "?refresh=5")
	})
	d.within("p", func() {
		switch {
		case v.started == 0 && !started:
			d.text("The program has not started yet: it may be waiting for the owner of its checkpoint.")
			return
		case v.stopped:
			d.text("Ran")
		default:
			d.text("Running")
		}
		began := u.made
		if v.started > 0 {
			began = v.started.Std()
		}
		d.text(" batches of ")
		d.put("b", span(u.ssc.Interval()))
		d.text(" for ")
		d.put("b", span(time.Since(began)))
		d.text(" since ")
		d.put("b", stamp(began)+" UTC")
		d.text(" (")
		d.put("b", fmt.Sprint(v.completions))
		d.text(" completed batches, ")
		d.put("b", fmt.Sprint(v.processed))
		d.text(" records)")
	})
	if v.failure != nil {
		d.put("p", "The program has failed: "+v.failure.Error(), "class", "error")
	}
}

// givenUpBox shows the batches that were given up, for ever.
func (u *UI) givenUpBox(d *doc, v *view) {
	all := u.givenUp(v)
	if len(all) == 0 {
		return
	}
	d.open("div", "class", "givenup")
	defer d.end()
	d.put("h2", fmt.Sprintf("Batches That Were Given Up (%d)", len(all)))
	d.put("p", "Their records are passed over for ever: they are in the outputs where the effects were written, and "+
		"in no other.")
	d.within("table", func() {
		d.cells("th", "Batch Time", "Number", "Reason", "Written", "Never Written", "Not Known")
		for _, b := range all {
			d.within("tr", func() {
				d.put("td", stamp(b.Time.Std()))
				d.put("td", fmt.Sprint(b.Sequence), "class", "n")
				d.within("td", func() { d.put("pre", b.Reason) })
				for _, list := range [][]string{b.In, b.Burned, b.Unknown} {
					d.put("td", strings.Join(list, ", "))
				}
			})
		}
	})
}

// outputTable says what each output promises.
func outputTable(d *doc, s dstream.Status) {
	d.put("h2", "Outputs")
	d.within("table", func() {
		d.cells("th", "Output", "Operator", "At", "Guarantee", "Why")
		for _, o := range s.Outputs {
			class := "weak"
			if strings.HasPrefix(o.Guarantee, "exactly-once") {
				class = "exact"
			}
			d.within("tr", func() {
				d.put("td", o.Name)
				d.put("td", o.Kind)
				d.put("td", o.Site)
				d.put("td", o.Guarantee, "class", class)
				d.put("td", o.Why)
			})
		}
	})
}

// inputTable says of each input how it stands.
func (u *UI) inputTable(d *doc, s dstream.Status, v *view) {
	d.put("h2", "Inputs")
	d.within("table", func() {
		d.cells("th", "Input", "Operator", "At", "Status", "Last Range", "Lag", "Rate in Force", "Why",
			"Last Error Time", "Last Error Message")
		for _, in := range s.Inputs {
			d.within("tr", func() {
				d.put("td", in.Name)
				d.put("td", in.Kind)
				d.put("td", in.Site)
				u.inputCells(d, in, v)
			})
		}
	})
}

func (u *UI) inputCells(d *doc, in dstream.InputStatus, v *view) {
	info, receives := v.receivers[in.StreamID]
	state, when, what := "-", "-", "-"
	if receives {
		state = "INACTIVE"
		if info.Active {
			state = "ACTIVE"
		}
		state += " on driver / localhost"
	}
	if info.LastError != nil {
		when, what = stamp(info.LastErrorTime.Std()), part(info.LastError.Error(), 100)
	}
	d.put("td", state)
	d.within("td", func() {
		if last := v.lastRange(in.StreamID); last != nil {
			d.lines(last.Description)
		}
	})
	lag, rate, why := "-", "no limit", in.Reason
	if in.Behind >= 0 {
		lag = fmt.Sprint(in.Behind)
	}
	if in.Rate > 0 {
		rate = perSecond(in.Rate)
	}
	if slowed := v.rates[in.StreamID].Reason; slowed != "" {
		why += "; slowed down by " + slowed
	}
	d.put("td", lag, "class", "n")
	d.put("td", rate, "class", "n")
	d.put("td", why)
	d.put("td", when)
	d.put("td", what)
}

// charts are the timelines and histograms.
func (u *UI) charts(d *doc, v *view) {
	all := v.all()
	d.open("table")
	defer d.end()
	d.cells("th", "", fmt.Sprintf("Timelines (Last %d batches, %d active, %d completed)", len(all),
		len(v.running)+len(v.waiting), len(v.completed)), "Histograms")
	rates := series{format: perSecond}
	for _, b := range all {
		rates.points = append(rates.points, v.point(b.BatchTime, u.rate(b.Records())))
	}
	rates.top = highest(rates.points)
	u.inputRow(d, v, all, rates)
	kinds := []struct {
		title, note string
		get         func(*batch) (time.Duration, bool)
	}{
		{"Scheduling Delay", "from the submission of a batch to its start", (*batch).schedulingDelay},
		{"Processing Time", "the red line is the batch interval", (*batch).processingTime},
		{"Total Delay", "from the submission of a batch to its end", (*batch).totalDelay},
		{"Commit", "from the end of a batch until it is written down that it is over", (*batch).commitTime},
	}
	delays := make([]series, len(kinds))
	top := 0.0
	for i, k := range kinds {
		delays[i] = v.delays(all, k.get)
		top = max(top, highest(delays[i].points))
	}
	for i, k := range kinds {
		delays[i].top = top
		if i == 1 {
			delays[i].line = u.ssc.Interval().Seconds()
		}
		mean := "Avg: " + spanOr(average(all, k.get))
		chartRow(d, k.title, delays[i], func() {
			d.put("div", mean)
			d.put("div", k.note, "class", "note")
		})
	}
}

// point is a value of a batch in a timeline. It leads to the batch's row, or to its page if that is no row of the first
// page of the table.
func (v *view) point(at dstream.Time, value float64) point {
	href := "#" + anchor(at)
	if n := len(v.completed) - pageRows; n > 0 && at < v.completed[n].BatchTime {
		href = batchHref(at)
	}
	return point{at.Std(), value, href}
}

// anchor names the row of a batch.
func anchor(at dstream.Time) string { return fmt.Sprintf("batch-%d", at) }

func batchHref(at dstream.Time) string { return fmt.Sprintf("batch/?id=%d", at) }

func (v *view) delays(list []*batch, get func(*batch) (time.Duration, bool)) series {
	s := series{format: func(v float64) string { return span(time.Duration(v * float64(time.Second))) }}
	for _, b := range list {
		if took, known := get(b); known {
			s.points = append(s.points, v.point(b.BatchTime, took.Seconds()))
		}
	}
	return s
}

// inputRow is the row of the input rate, which opens to those of the inputs.
func (u *UI) inputRow(d *doc, v *view, all []*batch, rates series) {
	chartRow(d, "Input Rate", rates, func() {
		if len(v.receivers) > 0 {
			d.put("div", fmt.Sprintf("Receivers: %d / %d active", v.activeReceivers(), len(v.receivers)))
		}
		mean := "-"
		if rate := u.inputRate(all); rate != nil {
			mean = perSecond(*rate)
		}
		d.put("div", "Avg: "+mean)
		for id, name := range v.streams() {
			at, values := u.rates(v, id)
			one := series{format: perSecond, top: rates.top}
			for i, t := range at {
				one.points = append(one.points, v.point(t, values[i]))
			}
			d.within("details", func() {
				d.put("summary", name)
				if n := len(values); n > 0 {
					d.put("div", "Avg: "+perSecond(sum(values)/float64(n)))
				}
				d.timeline("Input rate of "+name, one)
				d.histogram("Input rates of "+name, one)
			})
		}
	})
}

func sum(values []float64) (s float64) {
	for _, v := range values {
		s += v
	}
	return s
}

// chartRow is a row of the table of charts; say writes what stands beside them.
func chartRow(d *doc, title string, s series, say func()) {
	d.open("tr")
	defer d.end()
	d.within("td", func() {
		d.put("b", title)
		say()
	})
	d.within("td", func() { d.timeline(title, s) })
	d.within("td", func() { d.histogram(title, s) })
}
