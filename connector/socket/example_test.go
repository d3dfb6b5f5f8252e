package socket_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/socket"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// print runs a program until a batch has elements, and prints these.
func print[T any](build func(ssc *dstream.Context) *dstream.DStream[T], act func()) {
	ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local"), 20*time.Millisecond)
	if err != nil {
		panic(err)
	}
	done := make(chan T, 10)
	dstream.ForeachRDD(build(ssc), func(ctx context.Context, r *rdd.RDD[T], _ *dstream.Batch) error {
		vs, err := rdd.Collect(ctx, r)
		for _, v := range vs {
			done <- v
		}
		return err
	})
	if err := ssc.Start(context.Background()); err != nil {
		panic(err)
	}
	act()
	fmt.Println(<-done)
	fmt.Println(<-done)
	if err := ssc.Stop(context.Background(), dstream.Graceful()); err != nil {
		panic(err)
	}
}

// listening is a server of the example's own, which sends data to whoever connects.
func listening(data []byte) (port int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		if conn, err := l.Accept(); err == nil {
			_, _ = conn.Write(data)
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

func ExampleTextStream() {
	port := listening([]byte("to be\nor not\n"))
	print(func(ssc *dstream.Context) *dstream.DStream[string] {
		return socket.TextStream(ssc, "127.0.0.1", port)
	}, func() {})
	// Output:
	// to be
	// or not
}

func ExampleRawStream() {
	type point struct{ X, Y int }
	frame, err := socket.AppendFrame(nil, point{1, 2}, point{3, 4})
	if err != nil {
		panic(err)
	}
	port := listening(frame)
	print(func(ssc *dstream.Context) *dstream.DStream[point] {
		return socket.RawStream[point](ssc, "127.0.0.1", port)
	}, func() {})
	// Output:
	// {1 2}
	// {3 4}
}

// listener gives a port of the system's, and its address to whoever connects.
func listener() (socket.Option, <-chan string) {
	addresses := make(chan string, 1)
	return socket.WithListener(func(_ context.Context, network, _ string) (net.Listener, error) {
		l, err := net.Listen(network, "127.0.0.1:0")
		if err == nil {
			addresses <- l.Addr().String()
		}
		return l, err
	}), addresses
}

func dialAndSend(address, data string) {
	conn, err := net.Dial("tcp", address)
	if err == nil {
		_, err = io.WriteString(conn, data)
	}
	if err != nil {
		panic(err)
	}
}

func ExampleTextServer() {
	anyPort, addresses := listener()
	print(func(ssc *dstream.Context) *dstream.DStream[string] {
		return socket.TextServer(ssc, "localhost:9999", anyPort)
	}, func() { dialAndSend(<-addresses, "to be\nor not\n") })
	// Output:
	// to be
	// or not
}

func ExampleListen() {
	numbers := func(r io.Reader) iter.Seq2[uint32, error] {
		return func(yield func(uint32, error) bool) {
			for {
				var n uint32
				err := binary.Read(r, binary.BigEndian, &n)
				if errors.Is(err, io.EOF) || !yield(n, err) {
					return
				}
			}
		}
	}
	anyPort, addresses := listener()
	print(func(ssc *dstream.Context) *dstream.DStream[uint32] {
		return socket.Listen(ssc, "localhost:9999", numbers, anyPort)
	}, func() { dialAndSend(<-addresses, "\x00\x00\x00\x07\x00\x00\x01\x00") })
	// Output:
	// 7
	// 256
}
