package compat;

import io.smallrye.stork.Stork;
import io.smallrye.stork.api.ServiceDefinition;
import io.smallrye.stork.servicediscovery.eureka.EurekaConfiguration;
import java.time.Duration;
import java.util.stream.Collectors;

/** Says what Stork finds under a name whenever it becomes another. Arguments: WATCHED HOST PORT. */
public final class StorkClient {
    /** Its first call loads its classes, which takes long on a busy machine. */
    private static final Duration PATIENCE = Duration.ofMinutes(1);
    private static final long PAUSE_MS = 200;

    private StorkClient() {
    }

    public static void main(String[] arguments) throws InterruptedException {
        Stork.initialize();
        Stork.getInstance().defineIfAbsent("watched", ServiceDefinition.of(new EurekaConfiguration()
            .withApplication(arguments[0]).withEurekaHost(arguments[1]).withEurekaPort(arguments[2])
            .withRefreshPeriod("1s")));
        String before = null;
        while (true) {
            String found = Stork.getInstance().getService("watched").getInstances().await().atMost(PATIENCE).stream()
                .map(one -> one.getHost() + ":" + one.getPort()).sorted().collect(Collectors.joining(" "));
            if (!found.equals(before)) {
                System.out.println("SEES " + found);
                before = found;
            }
            Thread.sleep(PAUSE_MS);
        }
    }
}
