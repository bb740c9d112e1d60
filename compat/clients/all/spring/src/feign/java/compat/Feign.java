package compat;

import org.springframework.cloud.openfeign.EnableFeignClients;
import org.springframework.cloud.openfeign.FeignClient;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Primary;
import org.springframework.web.bind.annotation.GetMapping;

/** Calls the watched name by a Feign client. */
@Configuration
@EnableFeignClients(clients = Feign.Watched.class)
public class Feign {
    @Bean
    @Primary
    Application.Caller feignCaller(Watched watched) {
        return watched::root;
    }

    /** The other application. */
    @FeignClient(name = "${watch}")
    interface Watched {
        @GetMapping("/")
        String root();
    }
}
