package weir

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/ui"
)

// How long a request to the page may take in its parts, and the end of the server.
const (
	pageRequest, pageAnswer, pageIdle = 10 * time.Second, 30 * time.Second, 2 * time.Minute
	pageEnd                           = time.Second
	pageHeader                        = 64 << 10
)

// servePage serves the page of the program, if the settings want it, until closed is called, which takes a second at
// most. A page that nobody has asked for in particular is done without where there is no port for it.
func servePage(listen listenFunc, ssc *dstream.Context) (closed func(), err error) {
	c, closed := ssc.Conf(), func() {}
	if listen == nil || !conf.UIEnabled.Get(c) {
		return closed, nil
	}
	l, asked, err := listenForPage(listen, c)
	if err != nil {
		if asked {
			return closed, err
		}
		ssc.Logger().Info("there is no page", "why", err)
		return closed, nil
	}
	handler := http.Handler(ui.New(ssc))
	if here(l.Addr()) {
		handler = onlyHere(handler)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: pageRequest, ReadTimeout: pageRequest,
		WriteTimeout: pageAnswer, IdleTimeout: pageIdle, MaxHeaderBytes: pageHeader,
		ErrorLog: slog.NewLogLogger(ssc.Logger().Handler(), slog.LevelDebug)}
	ssc.Logger().Info("page", "url", "http://"+l.Addr().String()+"/")
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l) // It ends by an error always: that of being closed.
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), pageEnd)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close() // Whoever still waits for an answer gets none.
		}
		<-served
	}, nil
}

type listenFunc func(network, address string) (net.Listener, error)

// listenForPage finds a port; asked tells that the user has named it.
func listenForPage(listen listenFunc, c *conf.Conf) (l net.Listener, asked bool, err error) {
	if address := conf.UIAddress.Get(c); address != "" {
		if l, err = listen("tcp", address); err != nil {
			err = fmt.Errorf("%s=%s: the page cannot be served there: %w", conf.UIAddress.Name(), address, err)
		}
		return l, true, err
	}
	port, set, _ := conf.UIPort.Lookup(c)
	host := conf.BindAddress.Get(c)
	asked = set || host != ""
	if host == "" {
		host = "127.0.0.1"
	}
	tries := conf.PortMaxRetries.Get(c)
	if port == 0 {
		tries = 0
	}
	last := min(port+tries, 65535)
	for n := port; n <= last; n++ {
		if l, err = listen("tcp", net.JoinHostPort(host, strconv.Itoa(n))); err == nil {
			return l, asked, nil
		}
	}
	return nil, asked, fmt.Errorf("the page cannot be served on any of the ports %d to %d of %s (%s, %s, %s): %w: set "+
		"%s=0 for any port, or %s=false", port, last, host, conf.UIPort.Name(), conf.PortMaxRetries.Name(),
		conf.BindAddress.Name(), err, conf.UIPort.Name(), conf.UIEnabled.Name())
}

// here tells whether an address can be reached from this machine only.
func here(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}

// onlyHere refuses requests that were sent to another name than this machine's own: a page of somebody else's that has
// its name lead here would otherwise read this one through the user's browser.
func onlyHere(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		_, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if err != nil && host != "localhost" && !strings.HasSuffix(host, ".localhost") {
			http.Error(w, fmt.Sprintf("this page is for this machine, and %q is not its name: ask for localhost, or "+
				"set %s", host, conf.UIAddress.Name()), http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}
