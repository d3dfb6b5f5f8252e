package kafka_test

import (
	"fmt"

	"github.com/weirstream/weir/connector/kafka"
)

// The range is what dstream.MoveInputs takes for a direct stream.
func ExampleMoveRange() {
	topics := []kafka.TopicInfo{{Name: "lines"}} // as Admin.DescribeTopics gives them
	rng, err := kafka.MoveRange(nil, topics, map[kafka.TopicPartition]int64{
		{Topic: "lines", Partition: 0}: 17, {Topic: "lines", Partition: 1}: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	rng, err = kafka.MoveRange(rng, topics, map[kafka.TopicPartition]int64{{Topic: "lines", Partition: 1}: 5})
	ranges, _ := kafka.ParseRange(rng)
	for _, r := range ranges {
		fmt.Println(r.TopicPartition(), r.UntilOffset, err)
	}
	_, err = kafka.MoveRange(rng, nil, map[kafka.TopicPartition]int64{{Topic: "line", Partition: 0}: 1})
	fmt.Println(err)
	// Output:
	// lines-0 17 <nil>
	// lines-1 5 <nil>
	// line-0 cannot go on at offset 1: its topic must be known, and an offset is at least 0
}
