// Command client is the Eureka clients of the Kubernetes scenarios: a small group that counts every fault it sees, a
// fleet of thousands, a check that every replica has every other as its peer, and a look-up of names.
package main

import (
	"context"
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
		fail("usage: client group|fleet|mesh|get|resolve ...")
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

// get prints the body that a URL answers with.
func get(urls []string) error {
	for _, target := range urls {
		status, body, err := ask(http.MethodGet, target, "")
		if err != nil {
			return err
		}
		if status != http.StatusOK {
			return fmt.Errorf("%s: %d %s", target, status, body)
		}
		fmt.Println(string(body))
	}
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
