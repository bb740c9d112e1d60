package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// fleet is thousands of clients, each with a connection of its own kept open, each renewing and fetching a delta every
// 30 seconds as Spring's clients do.
type fleet struct {
	base      *url.URL
	instances int
	period    time.Duration
	dialer    *dialer

	calls, failed, unknown, bytes, connections atomic.Int64
	mu                                         sync.Mutex
	errors                                     map[string]int
	latencies                                  []time.Duration
}

// runFleet registers the instances over `ramp`, renews and fetches for `hold`, removes them, and prints a line of JSON.
func runFleet(args []string) error {
	flags := flag.NewFlagSet("fleet", flag.ExitOnError)
	base := flags.String("url", "http://registry:8761/eureka/", "service URL")
	instances := flags.Int("instances", 10000, "instances, ten to an application")
	ramp := flags.Duration("ramp", 20*time.Second, "time over which they register")
	hold := flags.Duration("hold", 40*time.Second, "time they then renew and fetch")
	period := flags.Duration("period", 30*time.Second, "time between renewals, and between delta fetches, of one instance")
	if err := flags.Parse(args); err != nil {
		return err
	}
	parsed, err := url.Parse(*base)
	if err != nil {
		return err
	}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Cur < uint64(*instances)+100 {
		return fmt.Errorf("%d instances need as many open files; the limit is %d", *instances, files.Cur)
	}
	f := &fleet{base: parsed, instances: *instances, period: *period, dialer: newDialer(time.Second), errors: map[string]int{}}
	ctx, cancel := context.WithTimeout(context.Background(), *ramp+*hold)
	defer cancel()
	var running sync.WaitGroup
	for id := range f.instances {
		running.Add(1)
		go func() {
			defer running.Done()
			f.live(ctx, id, *ramp*time.Duration(id)/time.Duration(f.instances))
		}()
	}
	running.Wait()
	return json.NewEncoder(os.Stdout).Encode(f.report())
}

func (f *fleet) report() map[string]any {
	slices.Sort(f.latencies)
	at := func(share float64) float64 {
		if len(f.latencies) == 0 {
			return 0
		}
		return float64(f.latencies[int(float64(len(f.latencies)-1)*share)].Microseconds()) / 1000
	}
	return map[string]any{
		"instances": f.instances, "calls": f.calls.Load(), "failed": f.failed.Load(), "renewals_404": f.unknown.Load(),
		"connections": f.connections.Load(), "megabytes": f.bytes.Load() / 1e6, "errors": f.errors,
		"p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1),
	}
}

// client is one instance of the fleet with its connection.
type client struct {
	fleet  *fleet
	id     string
	app    string
	conn   net.Conn
	reader *bufio.Reader
}

func (f *fleet) live(ctx context.Context, number int, delay time.Duration) {
	if !sleep(ctx, delay) {
		return
	}
	c := &client{fleet: f, id: fmt.Sprintf("fleet-%05d", number), app: fmt.Sprintf("FLEET-%04d", number/10)}
	defer c.close()
	c.expect(204, http.MethodPost, "apps/"+c.app, c.body())
	for sleep(ctx, f.period/2) {
		c.expect(200, http.MethodPut, "apps/"+c.app+"/"+c.id+"?status=UP", "")
		if !sleep(ctx, f.period/2) {
			break
		}
		c.expect(200, http.MethodGet, "apps/delta", "")
	}
	c.expect(200, http.MethodDelete, "apps/"+c.app+"/"+c.id, "")
}

// body is an instance as a Spring Boot application sends it.
func (c *client) body() string {
	host := c.id + ".apps.svc"
	return fmt.Sprintf(`{"instance":{"instanceId":"%[1]s","hostName":"%[2]s","app":"%[3]s","ipAddr":"10.1.2.3","status":"UP","overriddenStatus":"UNKNOWN",`+
		`"port":{"$":8080,"@enabled":"true"},"securePort":{"$":443,"@enabled":"false"},"countryId":1,`+
		`"dataCenterInfo":{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"},`+
		`"leaseInfo":{"renewalIntervalInSecs":30,"durationInSecs":90},"metadata":{"management.port":"8080","version":"1.4.2"},`+
		`"homePageUrl":"http://%[2]s:8080/","statusPageUrl":"http://%[2]s:8080/actuator/info","healthCheckUrl":"http://%[2]s:8080/actuator/health",`+
		`"vipAddress":"%[4]s","secureVipAddress":"%[4]s"}}`, c.id, host, c.app, strings.ToLower(c.app))
}

func (c *client) expect(status int, method, path, body string) {
	begin := time.Now()
	got, err := c.try(method, path, body)
	c.fleet.calls.Add(1)
	c.fleet.mu.Lock()
	defer c.fleet.mu.Unlock()
	c.fleet.latencies = append(c.fleet.latencies, time.Since(begin))
	switch {
	case err != nil:
		c.fleet.failed.Add(1)
		c.fleet.errors[method+": "+err.Error()]++
	case got == 404 && method == http.MethodPut:
		c.fleet.unknown.Add(1)
	case got != status:
		c.fleet.failed.Add(1)
		c.fleet.errors[fmt.Sprintf("%s %.20s: %d", method, path, got)]++
	}
}

// try sends the request on the kept connection, and once more on a new one where that one was closed meanwhile.
func (c *client) try(method, path, body string) (int, error) {
	if c.conn != nil {
		if status, err := c.exchange(method, path, body); err == nil {
			return status, nil
		}
	}
	c.close()
	ctx, cancel := context.WithTimeout(context.Background(), 13*time.Second)
	defer cancel()
	conn, err := c.fleet.dialer.dial(ctx, "tcp", c.fleet.base.Host)
	if err != nil {
		return 0, err
	}
	c.fleet.connections.Add(1)
	c.conn, c.reader = conn, bufio.NewReaderSize(conn, 1024)
	return c.exchange(method, path, body)
}

func (c *client) exchange(method, path, body string) (int, error) {
	if err := c.conn.SetDeadline(time.Now().Add(8 * time.Second)); err != nil {
		return 0, err
	}
	request := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\nAccept-Encoding: gzip\r\n",
		method, c.fleet.base.JoinPath("/").Path+path, c.fleet.base.Host)
	if body != "" {
		request += fmt.Sprintf("Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	if _, err := io.WriteString(c.conn, request+"\r\n"+body); err != nil {
		return 0, err
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	size, err := io.Copy(io.Discard, response.Body)
	c.fleet.bytes.Add(size)
	if err == nil && response.Close {
		c.close()
	}
	return response.StatusCode, err
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}
