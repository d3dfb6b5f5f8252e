package conf

import (
	"errors"
	"net"
	"strconv"
)

// The settings of the page that weir.Main serves.
var (
	// UIEnabled has weir.Main serve the page.
	UIEnabled = Setting[bool]{
		kind: bools, name: "spark.ui.enabled", def: true,
		doc: "Whether weir.Main serves the page of the program, with REST and metrics. weir.Run never does: " +
			"a service mounts ui.New.",
		why: "Spark's own. The page is served to this machine alone unless a setting says otherwise.",
	}

	// UIPort is the port of the page.
	UIPort = Setting[int]{
		kind: ints, name: "spark.ui.port", def: 4040, check: between(0, 65535),
		doc: "The port of the page, 0 for any that is free. If it is taken the next ones are tried " +
			"(spark.port.maxRetries). A program that finds none runs without the page, unless this was set.",
		why: "Spark's own: several programs on one machine get 4040, 4041 and so on.",
	}

	// PortMaxRetries is how many further ports are tried.
	PortMaxRetries = Setting[int]{
		kind: ints, name: "spark.port.maxRetries", def: 16, check: atLeast(0),
		doc: "How many ports after spark.ui.port are tried where it is taken.",
		why: "Spark's own.",
	}

	// BindAddress is the host that the page is served on.
	BindAddress = Setting[string]{
		kind: texts, name: "spark.driver.bindAddress", defText: "127.0.0.1",
		doc: "The host name or address on which the page is served: 0.0.0.0 for every interface.",
		why: "The page shows data and asks nobody who he is. Spark's is served on every interface.",
	}

	// UIAddress is where the page is served.
	UIAddress = Setting[string]{
		kind: texts, name: "weir.ui.address", defText: "spark.ui.port of spark.driver.bindAddress", check: hostPort,
		doc: "HOST:PORT where the page is served, and nowhere else; the flag --ui sets it. An empty host is every " +
			"interface, port 0 any that is free. A program that cannot have it does not start.",
		why: "Who names an address counts on it.",
	}
)

// hostPort checks the form of an address. Whether there is such a host is seen when it is listened to.
func hostPort(address string) error {
	if address == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return errors.New("must be HOST:PORT, such as 127.0.0.1:4040 or [::1]:4040")
	}
	return nil
}
