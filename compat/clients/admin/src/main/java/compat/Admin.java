package compat;

import de.codecentric.boot.admin.server.config.EnableAdminServer;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;

/** Spring Boot Admin and nothing else; all settings are given as arguments. */
@EnableAdminServer
@SpringBootApplication
public class Admin {
    public static void main(String[] arguments) {
        SpringApplication.run(Admin.class, arguments);
    }
}
