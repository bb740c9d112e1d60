package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"
)

// dialer connects as Java's HTTP clients do: it asks for all addresses of the name, keeps the answer for `ttl` as a JVM
// does (networkaddress.cache.ttl), and tries one address after the other until one accepts. The order is random, as
// CoreDNS's loadbalance plugin gives it.
type dialer struct {
	ttl     time.Duration
	timeout time.Duration

	mu      sync.Mutex
	names   map[string]cached
	refused int // addresses that did not accept while a later one did
}

type cached struct {
	addresses []string
	until     time.Time
}

func newDialer(ttl time.Duration) *dialer {
	return &dialer{ttl: ttl, timeout: 5 * time.Second, names: map[string]cached{}}
}

func (d *dialer) lookup(ctx context.Context, name string) ([]string, error) {
	d.mu.Lock()
	entry, found := d.names[name]
	d.mu.Unlock()
	if found && time.Now().Before(entry.until) {
		return entry.addresses, nil
	}
	addresses, err := net.DefaultResolver.LookupHost(ctx, name)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.names[name] = cached{addresses, time.Now().Add(d.ttl)}
	d.mu.Unlock()
	return addresses, nil
}

func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addresses, err := d.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	order := rand.Perm(len(addresses))
	for tried, index := range order {
		conn, failure := (&net.Dialer{Timeout: d.timeout}).DialContext(ctx, network, net.JoinHostPort(addresses[index], port))
		if failure == nil {
			d.mu.Lock()
			d.refused += tried
			d.mu.Unlock()
			return conn, nil
		}
		err = failure
	}
	return nil, err
}

// security is what a client believes and shows: flags that all commands have. User and password are in the URL.
type security struct {
	ca, certificate, key string
}

func (s *security) flags(flags *flag.FlagSet) {
	flags.StringVar(&s.ca, "ca", "", "PEM file with the trusted authority")
	flags.StringVar(&s.certificate, "certificate", "", "PEM file with the certificate to show")
	flags.StringVar(&s.key, "key", "", "PEM file with its key")
}

// tls is the configuration for a server of this name, whatever address it is reached at.
func (s *security) tls(name string) (*tls.Config, error) {
	config := &tls.Config{ServerName: name}
	if s.ca != "" {
		text, err := os.ReadFile(s.ca)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, errors.New(s.ca + ": no certificate")
		}
	}
	if s.certificate != "" {
		pair, err := tls.LoadX509KeyPair(s.certificate, s.key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
