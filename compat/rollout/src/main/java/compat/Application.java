package compat;

import java.time.Duration;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.CommandLineRunner;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.client.discovery.DiscoveryClient;
import org.springframework.cloud.client.loadbalancer.LoadBalanced;
import org.springframework.context.annotation.Bean;
import org.springframework.http.client.SimpleClientHttpRequestFactory;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.client.RestClient;

/** An application that answers its id at /work; with {@code calls.of}, also a caller of that host, which is an application's name or a gateway. */
@SpringBootApplication
@RestController
public class Application {
    private static final int CALLS_PER_SECOND = 50;
    private static final Duration PATIENCE = Duration.ofSeconds(2);

    private final AtomicInteger answered = new AtomicInteger();
    private final AtomicInteger failed = new AtomicInteger();
    private final DiscoveryClient discovery;
    private final String id;

    Application(DiscoveryClient discovery, @Value("${eureka.instance.instance-id}") String id) {
        this.discovery = discovery;
        this.id = id;
    }

    public static void main(String[] arguments) {
        SpringApplication.run(Application.class, arguments);
    }

    @GetMapping("/work")
    String work() {
        return id;
    }

    /** How many calls were answered, how many failed, and how many instances this application knows. */
    @GetMapping("/counts")
    String counts() {
        return answered.get() + " " + failed.get() + " " + discovery.getInstances("orders").size();
    }

    private static RestClient.Builder plain() {
        SimpleClientHttpRequestFactory requests = new SimpleClientHttpRequestFactory();
        requests.setConnectTimeout(PATIENCE);
        requests.setReadTimeout(PATIENCE);
        return RestClient.builder().requestFactory(requests);
    }

    @Bean
    @LoadBalanced
    RestClient.Builder balanced() {
        return plain();
    }

    @Bean
    CommandLineRunner caller(RestClient.Builder balanced, @Value("${calls.of:}") String name) {
        return arguments -> {
            if (name.isEmpty()) {
                return;
            }
            // A gateway has a port.
            RestClient client = (name.contains(":") ? plain() : balanced).build();
            ExecutorService workers = Executors.newFixedThreadPool(CALLS_PER_SECOND);
            Executors.newSingleThreadScheduledExecutor().scheduleAtFixedRate(
                () -> workers.execute(() -> call(client, name)), 0, 1000 / CALLS_PER_SECOND, TimeUnit.MILLISECONDS);
        };
    }

    private void call(RestClient client, String name) {
        try {
            client.get().uri("http://" + name + "/work").retrieve().body(String.class);
            answered.incrementAndGet();
        } catch (RuntimeException error) {
            failed.incrementAndGet();
            System.out.println("FAILED " + error.getMessage());
        }
    }
}
