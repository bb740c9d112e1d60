package compat;

import io.helidon.config.Config;
import io.helidon.webserver.WebServer;

/** A server whose Eureka feature registers it; all settings are given as system properties. */
public final class HelidonClient {
    private HelidonClient() {
    }

    public static void main(String[] arguments) {
        WebServer.builder().config(Config.create().get("server")).build().start();
    }
}
