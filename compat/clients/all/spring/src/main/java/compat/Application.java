package compat;

import java.util.stream.Collectors;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.CommandLineRunner;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.client.discovery.DiscoveryClient;
import org.springframework.cloud.client.loadbalancer.LoadBalanced;
import org.springframework.context.annotation.Bean;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.client.RestTemplate;

/**
 * Registers, says whenever what its DiscoveryClient finds under the name {@code watch} becomes another, and calls that name at {@code /call}.
 * The same source is compiled for Spring Boot 1.5 to 4.1, so it uses only what all of these have.
 */
@SpringBootApplication
public class Application {
    private static final long PAUSE_MS = 100;

    @Value("${watch}")
    private String watched;

    @Value("${from.config.server:nothing}")
    private String configured;

    public static void main(String[] arguments) {
        SpringApplication.run(Application.class, arguments);
    }

    @Bean
    @LoadBalanced
    RestTemplate balanced() {
        return new RestTemplate();
    }

    /** What one of the watched instances answers; a load balancer chooses which. */
    @Bean
    Caller caller(RestTemplate balanced) {
        return () -> balanced.getForObject("http://" + watched + "/", String.class);
    }

    @Bean
    CommandLineRunner watch(DiscoveryClient discovery) {
        return arguments -> {
            System.out.println("CONFIGURED " + configured);
            Thread watcher = new Thread(() -> watch(discovery, watched));
            watcher.setDaemon(true);
            watcher.start();
        };
    }

    private static void watch(DiscoveryClient discovery, String name) {
        String before = null;
        while (!Thread.currentThread().isInterrupted()) {
            String found = discovery.getInstances(name).stream()
                .map(one -> one.getHost() + ":" + one.getPort() + "=" + one.getMetadata().get("color"))
                .sorted().collect(Collectors.joining(" "));
            if (!found.equals(before)) {
                System.out.println("SEES " + found);
                before = found;
            }
            try {
                Thread.sleep(PAUSE_MS);
            } catch (InterruptedException stopped) {
                return;
            }
        }
    }

    /** Calls the watched name. */
    interface Caller {
        String call();
    }

    /** Calls the watched name when it is asked to. */
    @RestController
    static class Calls {
        private final Caller caller;

        Calls(Caller caller) {
            this.caller = caller;
        }

        @GetMapping("/call")
        String call() {
            return caller.call();
        }
    }
}
