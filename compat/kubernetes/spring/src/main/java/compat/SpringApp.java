package compat;

import java.util.Map;
import java.util.TreeMap;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.client.discovery.DiscoveryClient;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

@SpringBootApplication
@RestController
public class SpringApp {
    private final DiscoveryClient discovery;

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
}
