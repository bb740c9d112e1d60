package compat;

import io.micronaut.context.ApplicationContext;
import io.micronaut.discovery.ServiceInstance;
import io.micronaut.discovery.eureka.client.v2.EurekaClient;
import io.micronaut.health.HealthStatus;
import io.micronaut.http.annotation.Controller;
import io.micronaut.http.annotation.Get;
import io.micronaut.http.client.HttpClient;
import io.micronaut.http.client.annotation.Client;
import io.micronaut.runtime.Micronaut;
import io.micronaut.scheduling.TaskExecutors;
import io.micronaut.scheduling.annotation.ExecuteOn;
import java.util.List;
import java.util.stream.Collectors;
import reactor.core.publisher.Flux;

/** Registers, says what is found under the name {@code watch} whenever it becomes another, and calls it at {@code /call}. */
public final class MicronautClient {
    private static final long PAUSE_MS = 300;

    private MicronautClient() {
    }

    public static void main(String[] arguments) throws InterruptedException {
        ApplicationContext context = Micronaut.run(MicronautClient.class, arguments);
        EurekaClient discovery = context.getBean(EurekaClient.class);
        String name = context.getRequiredProperty("watch", String.class);
        String before = null;
        while (context.isRunning()) {
            List<ServiceInstance> instances = Flux.from(discovery.getInstances(name)).blockFirst();
            String found = (instances == null ? List.<ServiceInstance>of() : instances).stream()
                .filter(one -> one.getHealthStatus().equals(HealthStatus.UP))
                .map(one -> one.getHost() + ":" + one.getPort() + "=" + one.getMetadata().get("color", String.class).orElse(""))
                .sorted().collect(Collectors.joining(" "));
            if (!found.equals(before)) {
                System.out.println("SEES " + found);
                before = found;
            }
            Thread.sleep(PAUSE_MS);
        }
    }

    /** Calls the watched name when it is asked to. */
    @Controller
    static class Calls {
        private final HttpClient client;

        Calls(@Client("${watch}") HttpClient client) {
            this.client = client;
        }

        @Get(value = "/call", produces = "text/plain")
        @ExecuteOn(TaskExecutors.BLOCKING)
        String call() {
            return client.toBlocking().retrieve("/");
        }
    }
}
