package compat;

import org.springframework.cloud.config.server.EnableConfigServer;
import org.springframework.context.annotation.Configuration;

/** Makes the application a Spring Cloud Config Server, too. */
@Configuration
@EnableConfigServer
public class ConfigServer {
}
