package compat;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Map;
import java.util.TreeMap;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.client.discovery.DiscoveryClient;
import org.springframework.cloud.client.discovery.event.HeartbeatEvent;
import org.springframework.context.event.EventListener;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RestController;

@SpringBootApplication
@RestController
public class SpringApp {
    private final DiscoveryClient discovery;
    private Fewest fewest = new Fewest(0, Map.of());

    SpringApp(DiscoveryClient discovery) {
        this.discovery = discovery;
    }

    public static void main(String[] args) {
        SpringApplication.run(SpringApp.class, args);
    }

    @GetMapping("/seen")
    Map<String, Integer> seen() {
        var seen = new TreeMap<String, Integer>();
        for (var service : discovery.getServices()) {
            seen.put(service, discovery.getInstances(service).size());
        }
        return seen;
    }

    /** The fewest instances of each service that its own list had after any of so many fetches, since this was begun anew. */
    record Fewest(int fetches, Map<String, Integer> instances) {}

    /** Eureka's client says so after each answered fetch, and its list does not change in between. */
    @EventListener(HeartbeatEvent.class)
    synchronized void fetched() {
        var now = seen();
        var instances = new TreeMap<>(fewest.instances());
        instances.replaceAll((service, before) -> Math.min(before, now.getOrDefault(service, 0)));
        fewest = new Fewest(fewest.fetches() + 1, instances);
    }

    @GetMapping("/fewest")
    synchronized Fewest fewest() {
        return fewest;
    }

    @PostMapping("/fewest")
    synchronized Fewest anew() {
        fewest = new Fewest(0, seen());
        return fewest;
    }

    /** Takes a gigabyte: more than a pod that shall run out of memory may have. */
    @PostMapping("/memory")
    int memory() {
        var taken = new ArrayList<ByteBuffer>();
        while (taken.size() < 64) {
            taken.add(ByteBuffer.allocateDirect(16 << 20));
        }
        return taken.size();
    }
}
