package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/weirstream/weir/connector/kafka"
)

// offsetFormats are the formats of files of offsets.
var offsetFormats = map[string]func(io.Reader) (map[kafka.TopicPartition]int64, error){
	"csv": readCSV, "spark": readSpark, "zookeeper": readZooKeeper,
}

// An offsetTable collects offsets, each once, of one group.
type offsetTable struct {
	offsets map[kafka.TopicPartition]int64
	group   string // of the rows so far, "" if they name none
}

func newOffsetTable() *offsetTable { return &offsetTable{offsets: map[kafka.TopicPartition]int64{}} }

// add takes a row in. A file may hold what several groups have committed: rows of two would make a third of them.
func (t *offsetTable) add(group, topic, partition, offset string) error {
	if len(t.offsets) > 0 && group != t.group {
		return fmt.Errorf("it is of %s, and those before are of %s: give one of them", groupText(group),
			groupText(t.group))
	}
	t.group = group
	p, err := strconv.ParseInt(partition, 10, 32)
	if err != nil || p < 0 || topic == "" {
		return fmt.Errorf("%q is no partition of %q: lines are topic,partition,offset, or have columns of these names "+
			"under a line of names", partition, topic)
	}
	n, err := strconv.ParseInt(offset, 10, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is no offset", offset)
	}
	tp := kafka.TopicPartition{Topic: topic, Partition: int32(p)}
	if _, twice := t.offsets[tp]; twice {
		return fmt.Errorf("%s comes twice: keep the row that counts", tp)
	}
	t.offsets[tp] = n
	return nil
}

func groupText(name string) string {
	if name == "" {
		return "no group"
	}
	return "the group " + name
}

// The columns of a table of offsets.
const (
	topicColumn = iota
	partitionColumn
	offsetColumn
	groupColumn
	columnCount
)

var columnTexts = [columnCount]string{"topic", "partition", "offset", "group"}

// columns are what they may be called, without what people vary.
var columns = map[string]int{"topic": topicColumn, "topicname": topicColumn, "partition": partitionColumn,
	"partitionid": partitionColumn, "kafkapartition": partitionColumn, "offset": offsetColumn,
	"untiloffset": offsetColumn, "nextoffset": offsetColumn, "currentoffset": offsetColumn, "group": groupColumn,
	"groupid": groupColumn, "consumergroup": groupColumn}

var plainName = strings.NewReplacer("_", "", "-", "", " ", "", "#", "", ".", "")

// headOf gives where the columns are, -1 for none, if a row is a line of names. It does not choose between two that may
// be meant.
func headOf(row []string) (at [columnCount]int, ok bool, err error) {
	at = [columnCount]int{-1, -1, -1, -1}
	for i, name := range row {
		c, known := columns[plainName.Replace(strings.ToLower(strings.TrimSpace(name)))]
		if known && at[c] >= 0 && err == nil {
			err = fmt.Errorf("the columns %q and %q may both be the %s: leave one out, or rename it", row[at[c]], name,
				columnTexts[c])
		}
		if known {
			at[c] = i
		}
	}
	ok = at[topicColumn] >= 0 && at[partitionColumn] >= 0 && at[offsetColumn] >= 0
	if !ok {
		err = nil
	}
	return at, ok, err
}

// readCSV reads rows of topic, partition and offset.
func readCSV(in io.Reader) (map[kafka.TopicPartition]int64, error) {
	r := csv.NewReader(in)
	r.FieldsPerRecord, r.TrimLeadingSpace, r.Comment = -1, true, '#'
	t := newOffsetTable()
	at, named := [columnCount]int{0, 1, 2, -1}, false
	for first := true; ; first = false {
		row, err := r.Read()
		if err == io.EOF {
			return t.offsets, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := r.FieldPos(0)
		if first {
			head, ok, err := headOf(row)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", line, err)
			}
			if ok {
				at, named = head, true
				continue
			}
		}
		cells, err := cellsOf(row, at, named)
		if err == nil {
			err = t.add(cells[groupColumn], cells[topicColumn], cells[partitionColumn], cells[offsetColumn])
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
	}
}

// cellsOf picks the columns. Without a line of names a fourth one in front is the group, as Kafka's tool has it.
func cellsOf(row []string, at [columnCount]int, named bool) (cells [columnCount]string, err error) {
	if !named {
		switch len(row) {
		case 3:
		case 4:
			at = [columnCount]int{1, 2, 3, 0}
		default:
			return cells, fmt.Errorf("it has %d columns, where topic,partition,offset are meant: put a line of names "+
				"in front of the others", len(row))
		}
	}
	for i, column := range at {
		if column >= len(row) {
			return cells, fmt.Errorf("it has %d columns only", len(row))
		}
		if column >= 0 {
			cells[i] = strings.TrimSpace(row[column])
		}
	}
	return cells, nil
}

// zooPath is where ZooKeeper has the offsets of consumers, of 0.8's with the broker before the partition.
var zooPath = regexp.MustCompile(`^\S*/consumers/([^/\s]+)/offsets/([^/\s]+)/(?:\d+-)?(\d+)[\s:=,]+(\S+)$`)

func readZooKeeper(in io.Reader) (map[kafka.TopicPartition]int64, error) {
	t := newOffsetTable()
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m := zooPath.FindStringSubmatch(line)
		err := errors.New("it is not of the form /consumers/GROUP/offsets/TOPIC/PARTITION:OFFSET")
		if m != nil {
			err = t.add(m[1], m[2], m[3], m[4])
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return t.offsets, lines.Err()
}

// readSpark reads an offset file of Structured Streaming: its version, a line of settings, and a line for each source.
func readSpark(in io.Reader) (map[kafka.TopicPartition]int64, error) {
	lines := bufio.NewReader(in)
	version, err := lines.ReadString('\n')
	if err != nil || strings.TrimSpace(version) != "v1" {
		return nil, fmt.Errorf("it is no offset file of Structured Streaming: its first line is %q, not v1",
			strings.TrimSpace(version))
	}
	t := newOffsetTable()
	for n := 2; err == nil; n++ {
		var line string
		if line, err = lines.ReadString('\n'); err != nil && err != io.EOF {
			return nil, err
		}
		if line = strings.TrimSpace(line); line == "" || line == "-" || n == 2 {
			continue
		}
		var topics map[string]map[string]json.Number
		if json.Unmarshal([]byte(line), &topics) != nil {
			continue // It is another source's.
		}
		for topic, partitions := range topics {
			for p, offset := range partitions {
				if err := t.add("", topic, p, offset.String()); err != nil {
					return nil, fmt.Errorf("line %d: %w", n, err)
				}
			}
		}
	}
	return t.offsets, nil
}

// sparkOffsets finds the offset file of the last batch that Spark has committed: path is the checkpoint folder, or
// already a file. A batch that was planned after it is read again.
func sparkOffsets(path string, notes io.Writer) (string, error) {
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return path, err
	}
	offsets, err := batchFiles(filepath.Join(path, "offsets"))
	if err != nil {
		return "", fmt.Errorf("%s is no checkpoint folder of Structured Streaming: %w", path, err)
	}
	commits, err := batchFiles(filepath.Join(path, "commits"))
	if err != nil {
		return "", fmt.Errorf("%s is no checkpoint folder of Structured Streaming: %w", path, err)
	}
	for _, n := range slices.Backward(offsets) {
		if slices.Contains(commits, n) {
			return filepath.Join(path, "offsets", strconv.Itoa(n)), nil
		}
		warn(notes, fmt.Errorf("batch %d of %s was planned and not committed: its records are read again", n, path))
	}
	return "", fmt.Errorf("%s has no batch that is committed", path)
}

// batchFiles lists the numbers that are names of files, in order.
func batchFiles(dir string) (numbers []int, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, err
}
