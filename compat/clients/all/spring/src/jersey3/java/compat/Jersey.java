package compat;

import com.netflix.discovery.AbstractDiscoveryClientOptionalArgs;
import com.netflix.discovery.shared.transport.jersey.TransportClientFactories;
import com.netflix.discovery.shared.transport.jersey3.Jersey3TransportClientFactories;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/** What Spring Cloud leaves to the application where it uses Jersey. */
@Configuration
public class Jersey {
    @Bean
    TransportClientFactories<?> factories() {
        return new Jersey3TransportClientFactories();
    }

    @Bean
    AbstractDiscoveryClientOptionalArgs<?> arguments() {
        return new Jersey3Arguments();
    }

    private static final class Jersey3Arguments extends AbstractDiscoveryClientOptionalArgs<Object> {
    }
}
