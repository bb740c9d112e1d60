package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// counts is the faults of a group since the last mark; printed as one line of JSON per mark.
type counts struct {
	Mark        string         `json:"mark"`
	Seconds     float64        `json:"seconds"`
	Calls       int            `json:"calls"`
	Failed      int            `json:"failed"`       // calls without an answer, or with one that is not the expected status
	Partial     int            `json:"partial"`      // full answers that lack a registered instance of the group
	Empty       int            `json:"empty"`        // of them, those that have none
	Unknown     int            `json:"renewals_404"` // renewals answered 404
	Lost        int            `json:"lost"`         // instances of the group that some replica behind the name lacks at the mark
	NextAddress int            `json:"next_address"` // addresses that refused while the next one answered: no fault
	SlowestMs   int64          `json:"slowest_ms"`
	Errors      map[string]int `json:"errors,omitempty"`
}

type group struct {
	base     *url.URL
	app      string
	count    int
	interval time.Duration
	dialers  []*dialer
	clients  []*http.Client
	direct   *http.Client // goes to one replica's address

	mu      sync.Mutex
	counts  counts
	started time.Time
}

// runGroup registers instances and renews and fetches for each, every interval, until standard input ends. A line
// `mark NAME` there prints what was seen since the last one.
func runGroup(args []string) error {
	flags := flag.NewFlagSet("group", flag.ExitOnError)
	base := flags.String("url", "http://registry:8761/eureka/", "service URL, as in defaultZone")
	count := flags.Int("count", 20, "clients")
	app := flags.String("app", "GROUP", "application name")
	interval := flags.Duration("interval", 2*time.Second, "time between renewals, and between full fetches")
	ttl := flags.Duration("dns-ttl", 0, "how long a client keeps the addresses of the name; a JVM: 30s")
	var secure security
	secure.flags(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	parsed, err := url.Parse(*base)
	if err != nil {
		return err
	}
	config, err := secure.tls(parsed.Hostname())
	if err != nil {
		return err
	}
	g := &group{base: parsed, app: *app, count: *count, interval: *interval}
	g.direct = &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	for range *count {
		d := newDialer(*ttl)
		g.dialers = append(g.dialers, d)
		g.clients = append(g.clients, &http.Client{
			Timeout:   13 * time.Second, // a Eureka client's connect and read time-outs: 5 and 8 seconds
			Transport: &http.Transport{DialContext: d.dial, MaxIdleConnsPerHost: 1, IdleConnTimeout: 30 * time.Second, TLSClientConfig: config},
		})
	}
	g.reset()
	// As Java's client does first, and then asks for deltas.
	g.each(func(id int) error { g.get(id, "apps/"); return nil })
	if err := g.each(g.register); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var running sync.WaitGroup
	for id := range *count {
		running.Add(1)
		go func() { defer running.Done(); g.renewAndFetch(ctx, id) }()
	}
	// Faults are counted from when every replica has them: of a release that has only just started one may need a moment, and a Java
	// server may need a renewal.
	for deadline := time.Now().Add(90 * time.Second); g.lost() > 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("of %d registered instances not every replica has all after 90 s", g.count)
		}
	}
	g.mu.Lock()
	g.reset()
	g.mu.Unlock()
	g.obey(os.Stdin)
	cancel()
	running.Wait()
	return g.each(func(id int) error { g.call(id, http.MethodDelete, g.instancePath(id), nil); return nil })
}

// each does something for every client, for some of them at a time, and returns an error if there was one.
func (g *group) each(do func(id int) error) error {
	left, failed := make(chan int), make(chan error, g.count)
	var working sync.WaitGroup
	for range min(g.count, 16) {
		working.Add(1)
		go func() {
			defer working.Done()
			for id := range left {
				if err := do(id); err != nil {
					failed <- err
				}
			}
		}()
	}
	for id := range g.count {
		left <- id
	}
	close(left)
	working.Wait()
	close(failed)
	return <-failed
}

// obey reads marks until the input ends.
func (g *group) obey(input io.Reader) {
	fmt.Println(`{"registered":true}`)
	lines := bufio.NewScanner(input)
	for lines.Scan() {
		if name, found := strings.CutPrefix(lines.Text(), "mark "); found {
			g.mark(name)
		}
	}
}

func (g *group) reset() {
	g.counts = counts{Errors: map[string]int{}}
	g.started = time.Now()
	for _, d := range g.dialers {
		d.mu.Lock()
		d.refused = 0
		d.mu.Unlock()
	}
}

func (g *group) mark(name string) {
	lost := g.lostInTheEnd()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.counts.Mark, g.counts.Lost, g.counts.Seconds = name, lost, time.Since(g.started).Seconds()
	for _, d := range g.dialers {
		d.mu.Lock()
		g.counts.NextAddress += d.refused
		d.mu.Unlock()
	}
	line, _ := json.Marshal(g.counts)
	fmt.Println(string(line))
	g.reset()
}

// lostInTheEnd is lost, once replicas have had the time to tell each other: they agree within five seconds.
func (g *group) lostInTheEnd() int {
	for deadline := time.Now().Add(6 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		if lost := g.lost(); lost == 0 || time.Now().After(deadline) {
			return lost
		}
	}
}

// lost asks every replica behind the name for the group's instances, and counts those that at least one lacks.
func (g *group) lost() int {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, g.base.Hostname())
	if err != nil {
		return g.count
	}
	missing := map[string]bool{}
	for _, address := range addresses {
		replica := *g.base
		replica.Host = net.JoinHostPort(address, g.base.Port())
		request, _ := http.NewRequestWithContext(ctx, http.MethodGet, replica.JoinPath("apps", g.app).String(), nil)
		request.Header.Set("Accept", "application/json")
		response, err := g.direct.Do(request)
		if err != nil {
			continue // a replica that is leaving: what counts is what an answer holds
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			continue
		}
		present := g.present(body)
		for id := range g.count {
			if !present[g.instanceID(id)] {
				missing[g.instanceID(id)] = true
			}
		}
	}
	return len(missing)
}

func (g *group) instanceID(id int) string { return fmt.Sprintf("%s-%03d", strings.ToLower(g.app), id) }

func (g *group) instancePath(id int) string { return "apps/" + g.app + "/" + g.instanceID(id) }

func (g *group) register(id int) error {
	body := fmt.Sprintf(`{"instance":{"instanceId":%q,"hostName":%q,"app":%q,"ipAddr":"10.0.0.%d","status":"UP","vipAddress":%q,
"port":{"$":8080,"@enabled":"true"},"securePort":{"$":443,"@enabled":"false"},"leaseInfo":{"renewalIntervalInSecs":30,"durationInSecs":90},
"dataCenterInfo":{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"}}}`,
		g.instanceID(id), g.instanceID(id), g.app, id%250+1, strings.ToLower(g.app))
	status, answer, err := g.call(id, http.MethodPost, "apps/"+g.app, []byte(body))
	if err == nil && status != http.StatusNoContent {
		err = fmt.Errorf("register %s: %d %s", g.instanceID(id), status, answer)
	}
	return err
}

// call makes one request on the client's own connections. A request on a kept connection that the server closed before
// it was read is sent once more on a new one, as Java's HttpClient does for all of these methods.
func (g *group) call(id int, method, path string, body []byte) (int, []byte, error) {
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	request, err := http.NewRequest(method, strings.TrimSuffix(g.base.String(), "/")+"/"+path, reader)
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if method != http.MethodPost {
		request.Header["X-Idempotency-Key"] = nil // not sent; tells Go's transport that this may be repeated
	}
	response, err := g.clients[id].Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}

// renewAndFetch is one client's life: renewals and, half an interval later, fetches. As in Java's client, the one does not wait for the
// other.
func (g *group) renewAndFetch(ctx context.Context, id int) {
	offset := g.interval * time.Duration(id) / time.Duration(g.count)
	var renewing sync.WaitGroup
	renewing.Add(1)
	go func() { defer renewing.Done(); every(ctx, offset, g.interval, func() { g.renew(id) }) }()
	every(ctx, (offset+g.interval/2)%g.interval, g.interval, func() { g.fetch(id) })
	renewing.Wait()
}

// every does it the first time after an offset, and from then on a pause after it was done.
func every(ctx context.Context, offset, pause time.Duration, do func()) {
	for wait := offset; sleep(ctx, wait); wait = pause {
		do()
	}
}

func (g *group) renew(id int) {
	begin := time.Now()
	status, answer, err := g.call(id, http.MethodPut, g.instancePath(id)+"?status=UP", nil)
	switch {
	case err == nil && status == http.StatusNotFound:
		g.note(begin, func(c *counts) { c.Unknown++ })
		if err := g.register(id); err != nil {
			g.failed(begin, "register: "+plain(err).Error())
		}
	case err == nil && status == http.StatusOK:
		g.note(begin, func(*counts) {})
	default:
		g.failed(begin, fmt.Sprintf("renew: %d %.80s %v", status, answer, plain(err)))
	}
}

// fetch asks for a delta, as a client that holds a list does. If it is answered, everything follows, as if the delta did not fit: what
// the list would become is looked at each time.
func (g *group) fetch(id int) {
	if _, answered := g.get(id, "apps/delta"); !answered {
		return
	}
	begin := time.Now()
	answer, answered := g.get(id, "apps/")
	if !answered {
		return
	}
	seen := len(g.present(answer))
	g.note(begin, func(c *counts) {
		if seen < g.count {
			c.Partial++
		}
		if seen == 0 {
			c.Empty++
		}
	})
}

// get is an answer with a body; whether there was one.
func (g *group) get(id int, path string) ([]byte, bool) {
	begin := time.Now()
	status, answer, err := g.call(id, http.MethodGet, path, nil)
	if err != nil || status != http.StatusOK {
		g.failed(begin, fmt.Sprintf("fetch: %d %.80s %v", status, answer, plain(err)))
		return nil, false
	}
	return answer, true
}

// present is the instances of the group that an answer has.
func (g *group) present(answer []byte) map[string]bool {
	found := map[string]bool{}
	before := []byte(`"instanceId":"`)
	for {
		_, rest, more := bytes.Cut(answer, before)
		if !more {
			return found
		}
		if id, _, _ := bytes.Cut(rest, []byte(`"`)); bytes.HasPrefix(id, []byte(strings.ToLower(g.app)+"-")) {
			found[string(id)] = true
		}
		answer = rest
	}
}

// plain is why a call failed, without its URL: so that the same of many clients is one line.
func plain(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		return failed.Err
	}
	return err
}

func (g *group) note(begin time.Time, change func(*counts)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.counts.Calls++
	g.counts.SlowestMs = max(g.counts.SlowestMs, time.Since(begin).Milliseconds())
	change(&g.counts)
}

func (g *group) failed(begin time.Time, what string) {
	g.note(begin, func(c *counts) { c.Failed++; c.Errors[what]++ })
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
