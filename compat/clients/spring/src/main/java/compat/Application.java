package compat;

import java.util.List;
import java.util.Objects;
import org.springframework.boot.CommandLineRunner;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.client.discovery.DiscoveryClient;
import org.springframework.context.annotation.Bean;

/** Registers, and says whenever what its DiscoveryClient finds under the name {@code watch} becomes another. */
@SpringBootApplication
public class Application {
    public static void main(String[] arguments) {
        SpringApplication.run(Application.class, arguments);
    }

    @Bean
    CommandLineRunner watch(DiscoveryClient discovery, org.springframework.core.env.Environment environment) {
        String name = environment.getRequiredProperty("watch");
        return arguments -> {
            Thread watcher = new Thread(() -> {
                List<String> before = null;
                while (true) {
                    List<String> found = discovery.getInstances(name).stream()
                        .map(instance -> instance.getInstanceId() + "=" + instance.getMetadata().get("color")).sorted().toList();
                    if (!Objects.equals(found, before)) {
                        System.out.println("SEES " + name + " " + found);
                        before = found;
                    }
                    try {
                        Thread.sleep(100);
                    } catch (InterruptedException stopped) {
                        return;
                    }
                }
            });
            watcher.setDaemon(true);
            watcher.start();
        };
    }
}
