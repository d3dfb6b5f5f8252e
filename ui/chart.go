package ui

import (
	"fmt"
	"math"
	"time"
)

// The measures of charts, in pixels.
const (
	chartHeight, chartMargin = 90, 16
	timelineWidth            = 460
	histogramWidth           = 220
	histogramBars            = 10
	timelinePoints           = 250 // beyond that lines are no clearer, and pages only longer
)

// A series is what a timeline shows: a value for each batch.
type series struct {
	points []point
	top    float64 // the end of the axis; charts that are compared share it
	format func(float64) string
	line   float64 // a value to draw a line at, 0 for none
}

type point struct {
	at    time.Time
	value float64
	href  string
}

// newest keeps the end of a series.
func (s series) newest() series {
	s.points = s.points[max(0, len(s.points)-timelinePoints):]
	return s
}

func highest(points []point) (top float64) {
	for _, p := range points {
		top = max(top, p.value)
	}
	return top
}

func num(v float64) string { return fmt.Sprintf("%.1f", v) }

// svg opens a drawing.
func (d *doc) svg(width int, label string) {
	d.open("svg", "width", fmt.Sprint(width), "height", fmt.Sprint(chartHeight), "viewBox",
		fmt.Sprintf("0 0 %d %d", width, chartHeight), "role", "img", "aria-label", label)
}

func (d *doc) draw(name string, attrs ...string) { d.put(name, "", attrs...) }

// height gives the place of a value on the axis.
func (s series) height(v float64) float64 {
	room := float64(chartHeight - 2*chartMargin)
	if s.top <= 0 {
		return chartMargin + room
	}
	return chartMargin + room*(1-min(v/s.top, 1))
}

// timeline draws the values of batches in the order of their times. A click on a point leads to its batch.
func (d *doc) timeline(label string, s series) {
	s = s.newest()
	d.svg(timelineWidth, label)
	defer d.end()
	bottom := num(s.height(0))
	d.draw("line", "class", "axis", "x1", "0", "y1", bottom, "x2", fmt.Sprint(timelineWidth), "y2", bottom)
	d.put("text", s.format(s.top), "x", "2", "y", fmt.Sprint(chartMargin-4))
	if s.line > 0 && s.line <= s.top {
		y := num(s.height(s.line))
		d.draw("line", "class", "interval", "x1", "0", "y1", y, "x2", fmt.Sprint(timelineWidth), "y2", y)
	}
	if len(s.points) == 0 {
		return
	}
	step := float64(timelineWidth-8) / float64(max(len(s.points)-1, 1))
	path := ""
	for i, p := range s.points {
		path += num(4+step*float64(i)) + "," + num(s.height(p.value)) + " "
	}
	d.draw("polyline", "class", "line", "points", path)
	for i, p := range s.points {
		d.open("a", "href", p.href)
		d.open("circle", "class", "dot", "cx", num(4+step*float64(i)), "cy", num(s.height(p.value)), "r", "2.5")
		d.put("title", clock(p.at)+": "+s.format(p.value))
		d.end()
		d.end()
	}
	first, last := s.points[0].at, s.points[len(s.points)-1].at
	foot := fmt.Sprint(chartHeight - 3)
	d.put("text", clock(first), "x", "2", "y", foot)
	d.put("text", clock(last), "x", fmt.Sprint(timelineWidth-2), "y", foot, "text-anchor", "end")
}

// histogram draws how often values occur.
func (d *doc) histogram(label string, s series) {
	d.svg(histogramWidth, label)
	defer d.end()
	counts, most := s.bars()
	bottom := float64(chartHeight - chartMargin)
	d.draw("line", "class", "axis", "x1", "0", "y1", num(bottom), "x2", fmt.Sprint(histogramWidth), "y2", num(bottom))
	width := float64(histogramWidth) / histogramBars
	for i, n := range counts {
		if n == 0 {
			continue
		}
		height := (bottom - chartMargin) * float64(n) / float64(most)
		d.open("rect", "class", "bar", "x", num(width*float64(i)+1), "y", num(bottom-height), "width", num(width-2),
			"height", num(height))
		low := s.top / histogramBars * float64(i)
		d.put("title", fmt.Sprintf("%d from %s to %s", n, s.format(low), s.format(low+s.top/histogramBars)))
		d.end()
	}
	foot := fmt.Sprint(chartHeight - 3)
	d.put("text", s.format(0), "x", "0", "y", foot)
	d.put("text", s.format(s.top), "x", fmt.Sprint(histogramWidth), "y", foot, "text-anchor", "end")
	d.put("text", fmt.Sprintf("at most %d batches", most), "x", "0", "y", fmt.Sprint(chartMargin-4))
}

// bars counts the values by equal parts of the axis.
func (s series) bars() (counts [histogramBars]int, most int) {
	for _, p := range s.points {
		i := 0
		if s.top > 0 {
			i = int(math.Min(p.value/s.top*histogramBars, histogramBars-1))
		}
		counts[i]++
		most = max(most, counts[i])
	}
	return counts, most
}
