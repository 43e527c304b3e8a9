image:
  repository: ${artifact.image}
  tag: ${artifact.tag}
replicas: ${count}
%{ if workspace.name == "prod" ~}
resources: big
%{ endif ~}
