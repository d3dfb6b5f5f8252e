package exec

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// allocations is the form of Spark's fairscheduler.xml. Elements that it does not have are caught, for they are mostly
// others that were misspelt.
type allocations struct {
	XMLName xml.Name   `xml:"allocations"`
	Pools   []poolXML  `xml:"pool"`
	Others  []otherXML `xml:",any"`
}

type poolXML struct {
	Name     string     `xml:"name,attr"`
	Mode     *string    `xml:"schedulingMode"`
	Weight   *string    `xml:"weight"`
	MinShare *string    `xml:"minShare"`
	Others   []otherXML `xml:",any"`
}

type otherXML struct{ XMLName xml.Name }

// ReadPools reads a file in the form of Spark's fairscheduler.xml.
func ReadPools(r io.Reader) ([]Pool, error) {
	var doc allocations
	if err := xml.NewDecoder(r).Decode(&doc); err != nil {
		return nil, fmt.Errorf("it is not <allocations> with a <pool name=...> for each pool: %w", err)
	}
	if len(doc.Others) > 0 {
		return nil, fmt.Errorf("<allocations> holds <%s>: it may hold <pool>", doc.Others[0].XMLName.Local)
	}
	var pools []Pool
	seen := map[string]bool{}
	for _, x := range doc.Pools {
		p, err := x.pool()
		if err != nil {
			return nil, fmt.Errorf("pool %q: %w", x.Name, err)
		}
		if seen[p.Name] {
			return nil, fmt.Errorf("pool %q is there twice", p.Name)
		}
		seen[p.Name] = true
		pools = append(pools, p)
	}
	return pools, nil
}

// pool checks what is said of a pool; what is not said is Spark's default.
func (x poolXML) pool() (Pool, error) {
	p := Pool{Name: strings.TrimSpace(x.Name), Weight: 1}
	if p.Name == "" {
		return p, errors.New("it has no name")
	}
	if len(x.Others) > 0 {
		return p, fmt.Errorf("it holds <%s>: it may hold <schedulingMode>, <weight> and <minShare>",
			x.Others[0].XMLName.Local)
	}
	if x.Mode != nil {
		switch mode := strings.TrimSpace(*x.Mode); strings.ToUpper(mode) {
		case "FIFO":
		case "FAIR":
			p.Fair = true
		default:
			return p, fmt.Errorf("schedulingMode must be FIFO or FAIR, not %q", mode)
		}
	}
	var err error
	if p.Weight, err = number("weight", x.Weight, 1, 1); err != nil {
		return p, err
	}
	p.MinShare, err = number("minShare", x.MinShare, 0, 0)
	return p, err
}

// number reads a whole number of at least low; def if there is none.
func number(name string, text *string, low, def int) (int, error) {
	if text == nil {
		return def, nil
	}
	n, err := strconv.ParseInt(strings.TrimSpace(*text), 10, 32)
	if err != nil || int(n) < low {
		return 0, fmt.Errorf("%s must be a whole number of at least %d, not %q", name, low, strings.TrimSpace(*text))
	}
	return int(n), nil
}
