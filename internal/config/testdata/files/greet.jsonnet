{ person:: { name: std.extVar("who") }, greeting: "hello " + self.person.name }
