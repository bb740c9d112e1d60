// fargo: registers, renews, reads all and one, sets a status, leaves; in XML or in JSON.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/hudl/fargo"
	"github.com/op/go-logging"
)

func must(what string, err error) {
	if err != nil {
		fmt.Println("FAIL:", what, err)
		os.Exit(1)
	}
}

func check(what string, ok bool) {
	if !ok {
		fmt.Println("FAIL:", what)
		os.Exit(1)
	}
	fmt.Println("  " + os.Args[2] + ": " + what)
}

func main() {
	logging.SetLevel(logging.ERROR, "fargo")
	app := "ORDERS-GO-" + strings.ToUpper(os.Args[2])
	e := fargo.NewConn(os.Args[1])
	e.UseJson = os.Args[2] == "json"
	instance := &fargo.Instance{
		InstanceId: "go:1", HostName: "go.local", App: app, IPAddr: "127.0.0.1", VipAddress: "orders-go",
		Port: 9093, PortEnabled: true, Status: fargo.UP,
		DataCenterInfo: fargo.DataCenterInfo{Name: fargo.MyOwn, Class: "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo"},
	}
	instance.SetMetadataString("version", "v1")
	must("register", e.RegisterInstance(instance))
	must("renew", e.HeartBeatInstance(instance))
	apps, err := e.GetApps()
	must("read all", err)
	var found *fargo.Application
	for name, application := range apps {
		if name == app {
			found = application
		}
	}
	check("registered, renewed and read among all", found != nil && len(found.Instances) == 1)
	one, err := e.GetInstance(app, "go:1")
	must("read one", err)
	version, err := one.Metadata.GetString("version")
	must("read metadata", err)
	check(fmt.Sprintf("read alone: %s %s port %d version %s", one.InstanceId, one.Status, one.Port, version), one.Status == fargo.UP && one.Port == 9093 && version == "v1")
	must("take out of service", e.UpdateInstanceStatus(instance, fargo.OUTOFSERVICE))
	one, err = e.GetInstance(app, "go:1")
	must("read it out of service", err)
	check("out of service", one.Status == fargo.OUTOFSERVICE)
	must("leave", e.DeregisterInstance(instance))
	err = e.HeartBeatInstance(instance)
	code, is := fargo.HTTPResponseStatusCode(err)
	check("left: a heartbeat is answered 404", is && code == 404)
}
