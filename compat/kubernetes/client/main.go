// Command client is the Eureka clients of the Kubernetes scenarios: a small group that counts every fault it sees, a
// fleet of thousands, a check that every replica has every other as its peer, and a look-up of names.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"sort"
	"strings"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		fail("usage: client group|fleet|mesh|get|serial|resolve ...")
	}
	var err error
	switch command, args := os.Args[1], os.Args[2:]; command {
	case "group":
		err = runGroup(args)
	case "fleet":
		err = runFleet(args)
	case "mesh":
		err = runMesh(args)
	case "get":
		err = get(args)
	case "serial":
		err = serial(args)
	case "resolve":
		err = resolve(args)
	default:
		fail("no such command: " + command)
	}
	if err != nil {
		fail(err.Error())
	}
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, message)
	os.Exit(1)
}

// get prints the body that each URL answers with, to GET or another method without a body.
func get(args []string) error {
	flags := flag.NewFlagSet("get", flag.ExitOnError)
	name := flags.String("name", "", "name the certificate must have; empty: the URL's")
	method := flags.String("method", http.MethodGet, "method")
	expected := flags.Int("status", http.StatusOK, "status it must answer with")
	var secure security
	secure.flags(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	config, err := secure.tls(*name)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
	for _, target := range flags.Args() {
		status, body, err := ask(client, *method, target, "")
		if err != nil {
			return err
		}
		if status != *expected {
			return fmt.Errorf("%s: %d %s", target, status, body)
		}
		fmt.Println(string(body))
	}
	return nil
}

// serial prints the serial number of the certificate that a replica at an address shows for a name.
func serial(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: client serial ADDRESS:PORT NAME")
	}
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	// The authority is not verified: this only identifies the certificate.
	conn, err := tls.DialWithDialer(dialer, "tcp", args[0], &tls.Config{ServerName: args[1], InsecureSkipVerify: true})
	if err != nil {
		return err
	}
	defer conn.Close()
	fmt.Printf("%x\n", conn.ConnectionState().PeerCertificates[0].SerialNumber)
	return nil
}

// resolve prints one line per name: the name and its addresses, or the error.
func resolve(names []string) error {
	for _, name := range names {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		addresses, err := net.DefaultResolver.LookupHost(ctx, name)
		cancel()
		sort.Strings(addresses)
		if err != nil {
			addresses = []string{"error: " + err.Error()}
		}
		fmt.Println(name, strings.Join(addresses, " "))
	}
	return nil
}
