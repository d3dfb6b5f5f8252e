package codec_test

import (
	"errors"
	"fmt"

	"github.com/weirstream/weir/codec"
)

func ExampleFor() {
	type visit struct {
		Page  string
		Count int
	}
	c, err := codec.For[visit]()
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := c.Append(nil, &visit{"/shop", 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	v, rest, err := c.Decode(b)
	fmt.Printf("%x %+v %d %v\n", b, v, len(rest), err)
	// Output: 052f73686f7006 {Page:/shop Count:3} 0 <nil>
}

func ExampleFor_refused() {
	type visitor struct {
		Name string
		Left chan struct{}
	}
	_, err := codec.For[[]visitor]()
	if refused, ok := errors.AsType[*codec.TypeError](err); ok {
		fmt.Println(refused.Path, refused.Reason)
		fmt.Println("remedy:", refused.Remedy)
	}
	// Output:
	// []codec_test.visitor[].Left is of type chan struct {}, which means nothing in another process
	// remedy: leave it out of the record, or map to a type without it first
}

func ExampleForKey() {
	keys, err := codec.ForKey[string]()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, user := range []string{"ada", "bob", "eve"} {
		h, _ := keys.Hash(42, user) // only keys with floating-point numbers can fail
		fmt.Println(user, codec.Partition(h, 4))
	}
	// Output:
	// ada 1
	// bob 1
	// eve 0
}

// Who has the schema shows and reads values without their type.
func ExampleSchema() {
	type order struct {
		ID    int
		Items []string
	}
	c, err := codec.For[order]()
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := c.Append(nil, &order{7, []string{"tea", "rice"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := codec.ParseSchema(c.Schema())
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := s.AppendJSON(nil, b)
	fmt.Printf("%v: %s %v\n", s, text, err)
	b, err = s.AppendValue(nil, []byte(`{"ID": 8, "Items": null}`))
	v, _, _ := c.Decode(b)
	fmt.Println(v.ID, v.Items == nil, err)
	// Output:
	// {ID int64; Items []string}: {"ID":7,"Items":["tea","rice"]} <nil>
	// 8 true <nil>
}
