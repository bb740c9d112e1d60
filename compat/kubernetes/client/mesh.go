package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sort"
	"time"
)

// runMesh registers an instance at every address behind the name and waits until every other address shows it: that
// every replica has every other as its peer. Then it removes them. It prints a line of JSON.
func runMesh(args []string) error {
	flags := flag.NewFlagSet("mesh", flag.ExitOnError)
	base := flags.String("url", "http://registry:8761/eureka/", "service URL")
	expected := flags.Int("replicas", 3, "addresses there must be behind the name")
	var secure security
	secure.flags(flags)
	within := flags.Duration("within", 20*time.Second, "time until the name has them and all have seen all")
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
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
	deadline := time.Now().Add(*within)
	for {
		addresses, slowest, err := meshOnce(client, parsed, *expected, deadline)
		if err == nil {
			return json.NewEncoder(os.Stdout).Encode(map[string]any{
				"replicas": addresses, "slowest_ms": float64(slowest.Microseconds()) / 1000,
			})
		}
		if time.Now().After(deadline) {
			return err
		}
		time.Sleep(100 * time.Millisecond) // names lag: they may still be those of a replica that is gone
	}
}

func meshOnce(client *http.Client, base *url.URL, expected int, deadline time.Time) ([]string, time.Duration, error) {
	addresses, err := net.DefaultResolver.LookupHost(context.Background(), base.Hostname())
	if err != nil {
		return nil, 0, err
	}
	if len(addresses) != expected {
		return nil, 0, fmt.Errorf("%s has %d addresses, not %d: %v", base.Hostname(), len(addresses), expected, addresses)
	}
	sort.Strings(addresses)
	var slowest time.Duration
	for number, from := range addresses {
		took, err := seenByAll(client, base, addresses, from, fmt.Sprintf("mesh-%d", number), deadline)
		if err != nil {
			return nil, 0, err
		}
		slowest = max(slowest, took)
	}
	return addresses, slowest, nil
}

// seenByAll registers id at one replica, three times at most until every other shows it, because a peer may only just be found.
func seenByAll(client *http.Client, base *url.URL, addresses []string, from, id string, deadline time.Time) (time.Duration, error) {
	at := func(address string) string {
		replica := *base
		replica.Host = net.JoinHostPort(address, base.Port())
		return replica.JoinPath("apps/MESH").String()
	}
	body := fmt.Sprintf(`{"instance":{"instanceId":%q,"hostName":%q,"app":"MESH","ipAddr":"10.0.0.1","status":"UP","vipAddress":"mesh",
"port":{"$":8080,"@enabled":"true"},"dataCenterInfo":{"@class":"com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo","name":"MyOwn"}}}`, id, id)
	for tries := 1; ; tries++ {
		if status, _, err := ask(client, http.MethodPost, at(from), body); err != nil || status != http.StatusNoContent {
			return 0, fmt.Errorf("register at %s: %d %w", from, status, err)
		}
		begin, missing := time.Now(), ""
		for patience := begin.Add(time.Second); time.Now().Before(patience); {
			missing = ""
			for _, address := range addresses {
				_, answer, err := ask(client, http.MethodGet, at(address), "")
				if err != nil || !bytes.Contains(answer, []byte(`"`+id+`"`)) {
					missing = address
				}
			}
			if missing == "" {
				took := time.Since(begin)
				status, _, err := ask(client, http.MethodDelete, at(from)+"/"+id, "")
				if err != nil || status != http.StatusOK {
					return 0, fmt.Errorf("remove at %s: %d %w", from, status, err)
				}
				return took, nil
			}
		}
		if tries == 3 || time.Now().After(deadline) {
			return 0, fmt.Errorf("registered at %s, not seen at %s", from, missing)
		}
	}
}

func ask(client *http.Client, method, target, body string) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader([]byte(body)))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Accept", "application/json")
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}
