// Command client is the Eureka clients of the Kubernetes scenarios: a small group that counts every fault it sees, a
// fleet of thousands, and a look-up of names from inside a pod.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"sort"
	"strings"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		fail("usage: client group|fleet|resolve ...")
	}
	var err error
	switch command, args := os.Args[1], os.Args[2:]; command {
	case "group":
		err = runGroup(args)
	case "fleet":
		err = runFleet(args)
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
