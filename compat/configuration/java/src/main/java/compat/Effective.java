package compat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.context.properties.bind.Bindable;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.core.env.ConfigurableEnvironment;

/**
 * Says what Spring Boot makes of a configuration, without a server: for each key of a file its effective value, as `KEY TAB VALUE`, and
 * the active profiles. A whole server would read the same in seven times the time. Arguments: the file, then those of the server.
 */
public class Effective {
    public static void main(String[] args) throws Exception {
        SpringApplication application = new SpringApplication(Effective.class);
        application.setWebApplicationType(WebApplicationType.NONE);
        application.setLogStartupInfo(false);
        String[] rest = java.util.Arrays.copyOfRange(args, 1, args.length);
        ConfigurableEnvironment environment = application.run(rest).getEnvironment();
        Binder binder = Binder.get(environment);
        for (String key : Files.readAllLines(Path.of(args[0]))) {
            // Spring's canonical form, which `defaultZone` is not in.
            String name = key.replaceAll("([A-Z])", "-$1").toLowerCase();
            String value;
            try {
                value = binder.bind(name, String.class).orElse(null);
                if (value == null) {
                    List<String> list = binder.bind(name, Bindable.listOf(String.class)).orElse(null);
                    value = list == null ? null : String.join(",", list);
                }
            } catch (RuntimeException e) {
                Map<String, String> map = binder.bind(name, Bindable.mapOf(String.class, String.class)).orElse(Map.of());
                value = map.toString();
            }
            if (value != null) {
                say(key, value);
            }
        }
        String[] active = environment.getActiveProfiles();
        say("profiles", String.join(",", active.length == 0 ? environment.getDefaultProfiles() : active));
    }

    private static void say(String key, String value) {
        System.out.println("=" + key + "\t" + value.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r"));
    }
}
