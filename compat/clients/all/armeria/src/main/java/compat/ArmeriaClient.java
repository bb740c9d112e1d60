package compat;

import com.linecorp.armeria.client.Endpoint;
import com.linecorp.armeria.client.WebClient;
import com.linecorp.armeria.client.eureka.EurekaEndpointGroup;
import com.linecorp.armeria.common.SessionProtocol;
import com.linecorp.armeria.server.Server;
import com.linecorp.armeria.server.eureka.EurekaUpdatingListener;
import java.net.URI;
import java.time.Duration;
import java.util.stream.Collectors;

/** A server that registers, and calls another application at {@code /call}. Arguments: APP ID PORT WATCHED URL. */
public final class ArmeriaClient {
    private static final Duration INTERVAL = Duration.ofSeconds(1);
    private static final Duration LEASE = Duration.ofSeconds(30);
    private static final long PAUSE_MS = 200;

    private ArmeriaClient() {
    }

    public static void main(String[] arguments) throws InterruptedException {
        int port = Integer.parseInt(arguments[2]);
        URI registry = URI.create(arguments[4]);
        EurekaEndpointGroup watched = EurekaEndpointGroup.builder(registry).vipAddress(arguments[3])
            .registryFetchInterval(INTERVAL).allowEmptyEndpoints(true).build();
        WebClient client = WebClient.of(SessionProtocol.H1C, watched);
        Server server = Server.builder().http(port)
            .service("/call", (context, request) -> client.get("/"))
            .serverListener(EurekaUpdatingListener.builder(registry).appName(arguments[0]).instanceId(arguments[1]).hostname("127.0.0.1")
                .ipAddr("127.0.0.1").port(port).vipAddress(arguments[0]).renewalInterval(INTERVAL).leaseDuration(LEASE).build())
            .build();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> server.stop().join()));
        server.start().join();
        String before = null;
        while (true) {
            String found = watched.endpoints().stream().map(ArmeriaClient::address).sorted().collect(Collectors.joining(" "));
            if (!found.equals(before)) {
                System.out.println("SEES " + found);
                before = found;
            }
            Thread.sleep(PAUSE_MS);
        }
    }

    private static String address(Endpoint one) {
        return (one.ipAddr() == null ? one.host() : one.ipAddr()) + ":" + one.port();
    }
}
