package compat;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.netflix.eureka.server.EnableEurekaServer;

/** A plain Spring Cloud Netflix Eureka Server; whoever starts it gives all settings. */
@SpringBootApplication
@EnableEurekaServer
public class JavaServer {
    public static void main(String[] args) {
        SpringApplication.run(JavaServer.class, args);
    }
}
